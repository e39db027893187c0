// A bias whose numbers are not in CPU memory, such as what a network has just computed on a GPU: an
// expression needs no more of it than its shape. Nothing can be planned from such numbers, and no
// algorithm on the CPU can read them.
import { shapeError } from '../errors.ts'
import { coordinate, floatExpression } from './expression.ts'
import { checkName, tableLookup } from './table.ts'
import { scoreModifier } from './mask.ts'
import type { BroadcastShape, ScoreModifier } from './mask.ts'
import type { Table } from './node.ts'

/** A score modifier that adds a table, and the table: gradients are by it. */
export interface TableBias extends ScoreModifier {
  readonly table: Table
}

/**
 * A score modifier that adds a float tensor which lies somewhere else. For backends that can read it there:
 * `biasFromGpuTensor` of @attn/webgpu-flash.
 *
 * @param shape - `[B, H, L, S]`, where any axis may be 1 to repeat.
 * @param elsewhere - Where the numbers lie, for messages: "a GPU buffer".
 * @param trainable - Whether the backward pass returns a gradient for it. Default: false.
 * @throws RangeError for a shape that is none, or an unusable name. Evaluating it throws TypeError.
 *
 * @example
 * ```ts
 * import { biasElsewhere, standardAttention, zeros } from '@attn/core'
 * const bias = biasElsewhere('pairBias', [1, 2, 3, 3], 'a GPU buffer')
 * const x = zeros([1, 2, 3, 4])
 * standardAttention(x, x, x, { scoreModifiers: [bias] }) // => throws TypeError: pairBias lies in a GPU buffer, where this algorithm cannot read it
 * ```
 */
export function biasElsewhere(
  name: string,
  shape: BroadcastShape,
  elsewhere: string,
  trainable = false,
): TableBias {
  checkName('biasElsewhere', name)
  if (shape.length !== 4 || shape.some((size) => !Number.isInteger(size) || size < 1)) {
    throw shapeError(
      `biasElsewhere: shape must be [batch, heads, queries, keys], each at least 1, got [${shape.join(', ')}]`,
    )
  }
  const table: Table = Object.freeze({
    kind: 'table',
    name,
    type: 'float',
    shape: [...shape],
    values: new Float32Array(0),
    trainable,
    ofCall: true,
    elsewhere,
  })
  const places = (['batch', 'head', 'queryIndex', 'key'] as const).map((axis) => coordinate(axis))
  const modifier = scoreModifier(name, (score) =>
    score.add(floatExpression(tableLookup(table, places))),
  )
  return Object.freeze({ ...modifier, table })
}
