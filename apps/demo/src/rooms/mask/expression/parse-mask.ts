// A mask as a visitor writes it, `k <= q && q - k < w || k < 4`, read into core's expression.
import { integer, mask, type Mask } from '@attn/core'
import { patternOf } from '@attn/masks'
import type { Expression } from 'jsep'
import { formatTree } from './format-tree.ts'
import { ordersOf } from './orders-of.ts'
import { coordinateNames, numberOf, parseText } from './parse-text.ts'
import { conditionOf, coordinateValues, readTree, whole } from './read-tree.ts'

/** A text that was understood. */
export interface ParsedMask {
  /** Names that are neither coordinates nor functions, in the order they appear: the visitor's numbers. */
  readonly numbers: readonly string[]
  /** What stands between the `||` at the top: the parts of the mask, as text. */
  readonly parts: readonly string[]
  /**
   * The mask for these numbers.
   *
   * @throws RangeError or TypeError for numbers that the expression cannot take, such as a divisor of 0.
   */
  readonly build: (values: Readonly<Record<string, number>>) => Mask
}

const known: ReadonlySet<string> = new Set(Object.keys(coordinateNames))

/**
 * Reads a mask.
 *
 * @throws SyntaxError with what is wrong, in words for the visitor.
 */
export function parseMask(text: string): ParsedMask {
  const { tree, numbers } = parseText(
    text,
    known,
    'write which keys k a query q sees, such as k <= q',
  )
  const parts = operandsOf(tree)
  const build = (values: Readonly<Record<string, number>>): Mask => {
    const valueOf = numberOf(values)
    const own = numbers.map((name) => [name, whole(integer(valueOf(name)))] as const)
    const masks = parts.map((part, index) => ({
      ...mask(`part${index + 1}`, (coordinates) => {
        const names = { ...Object.fromEntries(own), ...coordinateValues(coordinates) }
        return conditionOf(readTree(part, { names, reals: false }), 'the mask')
      }),
      orders: ordersOf(part, valueOf),
    }))
    return patternOf('expression', masks)
  }
  // Kinds that do not fit are found now, and not when a number changes.
  build(Object.fromEntries(numbers.map((name) => [name, 1])))
  return { numbers, parts: parts.map(formatTree), build }
}

/** More parts than this stay together. */
const mostParts = 6

/** What the `||` at the top join. */
function operandsOf(tree: Expression): readonly Expression[] {
  const split = (node: Expression): readonly Expression[] =>
    node['operator'] === '||'
      ? [...split(node['left'] as Expression), ...split(node['right'] as Expression)]
      : [node]
  const parts = split(tree)
  return parts.length > mostParts ? [tree] : parts
}
