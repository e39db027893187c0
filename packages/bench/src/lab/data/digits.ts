// Handwritten digits as sequences of pixels, row by row: what an image model learns to continue. Each
// sequence begins with a token of its own.
import { rangeError } from '@attn/core'
import type { LabText } from './text.ts'

/** Pixels in a row, and rows. */
export const digitSide = 28
/** Pixels of a digit. */
export const digitPixels: number = digitSide * digitSide
/** Kinds of grey. */
const greys = 16

/**
 * Digits as tokens: 16 greys and the beginning. The last tenth is held out.
 *
 * @param name - Goes into results.
 * @param digits - Pixels from 0 to 1, 784 for each digit, in the order in which they are taken.
 * @throws RangeError for a digit of another size, or fewer than ten of them.
 */
export async function labDigits(
  name: string,
  digits: readonly ArrayLike<number>[],
): Promise<LabText> {
  const wrong = digits.find(({ length }) => length !== digitPixels)
  if (wrong || digits.length < 10) {
    throw rangeError(
      `labDigits: need at least 10 digits of ${digitPixels} pixels, got ${digits.length}${wrong ? ` and one of ${wrong.length}` : ''}`,
    )
  }
  const piece = digitPixels + 1
  const tokens = new Uint16Array(digits.length * piece)
  for (const [index, pixels] of digits.entries()) {
    tokens[index * piece] = greys
    for (let pixel = 0; pixel < digitPixels; pixel++) {
      const grey = Math.min(greys - 1, Math.floor(pixels[pixel]! * greys))
      tokens[index * piece + 1 + pixel] = grey
    }
  }
  const bytes = await crypto.subtle.digest('SHA-256', tokens)
  const digest = Array.from(new Uint8Array(bytes), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
  const cut = Math.floor(digits.length * 0.9) * piece
  const characters = [...Array.from({ length: greys }, (_, grey) => `grey ${grey}`), 'begin']
  return {
    name,
    digest,
    characters,
    training: tokens.slice(0, cut),
    heldOut: tokens.slice(cut),
    piece,
  }
}
