// Scores beyond what powers of two hold, which kernels that compute by exponents of 2 have to know of.
import { nodesOf } from '@attn/core'
import type { ScoreModifier } from '@attn/core'

/**
 * Whether one of the modifiers could make scores so large that powers of two do not hold them: additive masks have the
 * lowest float for what they hide, and where they hide a whole row it is the mean of its values.
 */
export function mayAddHuge(modifiers: readonly ScoreModifier[]): boolean {
  const huge = (value: number): boolean => Number.isFinite(value) && Math.abs(value) >= 2 ** 100
  const nodes = modifiers.flatMap(({ expression }) => nodesOf(expression.node))
  return nodes.some((node) => {
    if (node.kind === 'constant') return typeof node.value === 'number' && huge(node.value)
    if (node.kind !== 'lookup') return false
    const { type, values, elsewhere } = node.table
    return type === 'float' && (elsewhere !== undefined || values.some(huge))
  })
}
