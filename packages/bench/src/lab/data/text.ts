// A text to learn: tokens to train on, and the end of it held out to be evaluated on.
import { encode, vocabularyOf } from './vocabulary.ts'

/** A text as tokens, in two parts. */
export interface LabText {
  /** For people: which text. */
  readonly name: string
  /** SHA-256 of the characters, in hexadecimal. */
  readonly digest: string
  /** What each token stands for. */
  readonly characters: readonly string[]
  readonly training: Uint16Array<ArrayBuffer>
  readonly heldOut: Uint16Array<ArrayBuffer>
  /** Tokens of one piece, where pieces begin at multiples of it; undefined where they begin anywhere. */
  readonly piece?: number | undefined
}

/**
 * Splits a text: the last tenth is held out. Line ends become `\n`, so that it is the same everywhere.
 *
 * @param name - Goes into results.
 */
export async function labText(name: string, text: string): Promise<LabText> {
  const unified = text.replaceAll('\r\n', '\n')
  const characters = vocabularyOf(unified)
  const tokens = encode(unified, characters) as Uint16Array<ArrayBuffer>
  const cut = Math.floor(tokens.length * 0.9)
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(unified))
  const digest = Array.from(new Uint8Array(bytes), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
  return { name, digest, characters, training: tokens.slice(0, cut), heldOut: tokens.slice(cut) }
}
