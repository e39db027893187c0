// The two products of a tile, each of three: with the second halves first, whose sums are smaller.
import { indent, unroll } from '../../../codegen/snippets.ts'
import type { ForwardMatrixConfig } from '../matrix/config.ts'

/** Scores of the tile whose keys are in workgroup memory, to the subgroup's scores there. */
export function scoreProducts({ tile, memory, headDim }: ForwardMatrixConfig): string {
  const { rows, columns, depth } = tile.matrix
  const steps = headDim / depth
  const load = (n: number, k: number): string =>
    `subgroupMatrixLoad<Right, col_major>(&keyRows, ${n * columns * memory.keyStride + (k * depth) / 4}u, ${memory.keyStride}u)`
  const add = (b: number, query: number, keys: string): string =>
    `product${b} = subgroupMatrixMultiplyAccumulate(query${b}_${query}, ${keys}, product${b});`
  const each = (line: (b: number) => string): string => unroll(tile.rowBlocks, line)
  const block = (n: number): string => `${each((b) => `var product${b} = Result();`)}
${unroll(
  steps,
  (k) => `let keys${k} = ${load(n, k)};
{
  let seconds = ${load(n, steps + k)};
${indent(
  each((b) => add(b, k, 'seconds')),
  2,
)}
}
${each((b) => add(b, steps + k, `keys${k}`))}`,
)}
${unroll(steps, (k) => each((b) => add(b, k, `keys${k}`)))}
${each((b) => `subgroupMatrixStore<row_major>(&scores[subgroup], ${b * rows * memory.scoreStride + (n * columns) / 4}u, product${b}, scoreStride);`)}`
  return unroll(tile.keys / columns, (n) => `{\n${indent(block(n), 2)}\n}`)
}

/** The tile's values, added to the output by its probabilities. */
export function outputProducts({ tile, memory, valueDim }: ForwardMatrixConfig): string {
  const { rows, columns, depth } = tile.matrix
  const load = (k: number, vector: number): string =>
    `subgroupMatrixLoad<Right, row_major>(&valueRows, ${k * depth * memory.valueStride + vector}u, ${memory.valueStride}u)`
  const weights = (b: number, k: number, vector: number): string =>
    `subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], ${b * rows * memory.probabilityStride + (k * depth) / 4 + vector}u, probabilityStride)`
  const add = (b: number, c: number, left: string, right: string): string =>
    `output${b}_${c} = subgroupMatrixMultiplyAccumulate(${left}${b}, ${right}, output${b}_${c});`
  const each = (line: (b: number) => string): string => unroll(tile.rowBlocks, line)
  const block = (k: number): string => `${each(
    (b) => `let first${b} = ${weights(b, k, 0)};
let second${b} = ${weights(b, k, tile.keys / 4)};`,
  )}
${unroll(
  valueDim / columns,
  (c) => `{
  let values = ${load(k, (c * columns) / 4)};
  let seconds = ${load(k, (valueDim + c * columns) / 4)};
${indent(
  each(
    (b) => `${add(b, c, 'first', 'seconds')}
${add(b, c, 'second', 'values')}
${add(b, c, 'first', 'values')}`,
  ),
  2,
)}
}`,
)}`
  return unroll(tile.keys / depth, (k) => `{\n${indent(block(k), 2)}\n}`)
}
