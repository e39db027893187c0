// A score modifier as a visitor writes it, `s - slope * abs(q - k)`, read into core's expression.
import { float, scoreModifier, type ScoreModifier } from '@attn/core'
import { coordinateNames, numberOf, parseText } from './parse-text.ts'
import { coordinateValues, real, realOf, readTree } from './read-tree.ts'

/** A text that was understood. */
export interface ParsedScore {
  /** The visitor's numbers, in the order they appear. */
  readonly numbers: readonly string[]
  /** The modifier for these numbers. */
  readonly build: (values: Readonly<Record<string, number>>) => ScoreModifier
}

/** `s` is the score so far, `inf` hides where it is taken away. */
const known: ReadonlySet<string> = new Set([...Object.keys(coordinateNames), 's', 'inf'])

/**
 * Reads a score modifier.
 *
 * @throws SyntaxError with what is wrong, in words for the visitor.
 */
export function parseScore(text: string): ParsedScore {
  const { tree, numbers } = parseText(
    text,
    known,
    'write what becomes of a score s, such as s - abs(q - k) / 8',
  )
  const build = (values: Readonly<Record<string, number>>): ScoreModifier =>
    scoreModifier('yours', (score, coordinates) => {
      const valueOf = numberOf(values)
      const own = numbers.map((name) => [name, real(float(valueOf(name)))] as const)
      const names = {
        ...Object.fromEntries(own),
        s: real(score),
        inf: real(float(Infinity)),
        ...coordinateValues(coordinates),
      }
      return realOf(readTree(tree, { names, reals: true }), 'the score')
    })
  // Kinds that do not fit are found now, and not when a number changes.
  build(Object.fromEntries(numbers.map((name) => [name, 1])))
  return { numbers, build }
}
