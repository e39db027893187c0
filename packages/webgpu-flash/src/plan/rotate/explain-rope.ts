// The account of what a plan turns before it attends, and the memory that this takes.
import { packedRow } from '../../codegen/access.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { Call } from '../call.ts'

/** The account of a plan's rotation. Plain data. */
export interface RopeExplanation {
  readonly turned: readonly ('query' | 'key')[]
  /** A kernel that runs before attention's, in the same pass. */
  readonly by: 'kernel'
  readonly reason: string
  /** What the turned tensors take, from the first call on. */
  readonly bytes: number
}

/**
 * Accounts for a plan's rotation; undefined where there is none.
 *
 * @param tileQueries - Queries of a tile of the kernel that reads what is turned.
 */
export function explainRope(
  { rope, shape, dtype }: Call,
  tileQueries: number,
  { shaderFloat16 }: Capabilities,
): RopeExplanation | undefined {
  if (!rope) return undefined
  const turned = (['query', 'key'] as const).filter((side) => rope[side])
  const rows = {
    query: shape.heads * shape.queryLength,
    key: shape.kvHeads * shape.keyLength,
  }
  const rowElements = packedRow(dtype, shape.headDim, shaderFloat16)
  const elements = turned
    .map((side) => shape.batch * rows[side] * rowElements)
    .reduce((sum, count) => sum + count, 0)
  const reads = Math.ceil(shape.queryLength / tileQueries)
  return {
    turned,
    by: 'kernel',
    reason: rope.key
      ? `turned once, since ${reads} tiles of queries read each key`
      : 'keys come turned',
    bytes: elements * elementBytes(dtype),
  }
}
