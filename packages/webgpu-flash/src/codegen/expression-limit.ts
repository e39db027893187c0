// How long expressions may be on a GPU. A kernel computes them for every pair and its compiler copies
// them to every place they are asked for, so that a few thousand operations take it minutes.
import { nodesOf, operands, UnsupportedError } from '@attn/core'
import type { Mask, ScoreModifier } from '@attn/core'
import { isConstant } from './constant-value.ts'

/** Operations that a mask or a score modifier may take for each pair. */
export const mostOperations = 4096

/**
 * Checks how many operations expressions take, each shared subtree counted once.
 *
 * @throws UnsupportedError for one of more than {@link mostOperations}.
 */
export function checkOperations(
  caller: string,
  parts: readonly (Mask | ScoreModifier | undefined)[],
): void {
  for (const part of parts) {
    if (!part) continue
    const nodes = nodesOf(part.expression.node, isConstant)
    const count = nodes.filter((node) => operands(node).length > 0).length
    if (count > mostOperations) {
      throw new UnsupportedError(
        `${caller}: ${part.name} takes ${count} operations for each pair, at most ${mostOperations} are supported on a GPU; look positions up in a relation() or a table instead of asking for each`,
      )
    }
  }
}
