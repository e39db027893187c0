// The last step of a reduction over the tiles that a workgroup walked: its threads hold parts of one sum
// (or maximum), which they share through workgroup memory, always in the same order.
import { unroll } from '../../codegen/snippets.ts'
import { columnOffset, lane, ownColumnVectors, ownRows } from '../tile/grid.ts'
import type { ThreadGrid } from '../tile/grid.ts'

/** WGSL of `largest(a, b)`, in which NaN is larger than all numbers, as on the CPU. */
export const largestFunction: string = /* wgsl */ `fn largest(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let strange = vec4<u32>(0x7f800000u);
  let magnitude = vec4<u32>(0x7fffffffu);
  let known = select(max(a, b), b, (bitcast<vec4<u32>>(b) & magnitude) > strange);
  return select(known, a, (bitcast<vec4<u32>>(a) & magnitude) > strange);
}`

/** Combines the registers `total{j}` of all thread rows and stores them, a number for each key. */
export function reduceColumns(
  grid: ThreadGrid,
  combine: (total: string, one: string) => string,
): string {
  const vectors = ownColumnVectors(grid)
  const all = grid.tileColumns / 4
  const place = (row: string, j: number): string =>
    `tile[${row} * ${all}u + column + ${j * grid.threadColumns}u]`
  return `workgroupBarrier();
${unroll(vectors, (j) => `${place('row', j)} = total${j};`)}
workgroupBarrier();
if (row == 0u) {
  for (var other = 1u; other < ${grid.threadRows}u; other++) {
${unroll(vectors, (j) => `    total${j} = ${combine(`total${j}`, place('other', j))};`)}
  }
  let base = params.outputOffset + (batch * params.chosenHeads + place) * params.keys;
${unroll(vectors, (j) =>
  unroll(
    4,
    (k) => `  {
    let keyAt = keyTile * tileKeys + column + ${columnOffset(grid, j, k)}u;
    if (keyAt < params.keys) {
      var one = vec4<f32>(total${j}.${lane(k)});
      if (params.continues != 0u) { one = ${combine('one', 'vec4<f32>(weights[base + keyAt])')}; }
      weights[base + keyAt] = one.x;
    }
  }`,
  ),
)}
}`
}

/** The same for the registers `best{i}` of all thread columns: a maximum for each row. */
export function reduceRows(grid: ThreadGrid): string {
  const rows = ownRows(grid)
  return `workgroupBarrier();
${unroll(rows, (i) => `tile[(row * ${rows}u + ${i}u) * ${grid.threadColumns}u + column] = best${i};`)}
workgroupBarrier();
if (column == 0u) {
  for (var own = 0u; own < ${rows}u; own++) {
    let tileRow = row * ${rows}u + own;
    var best = tile[tileRow * ${grid.threadColumns}u];
    for (var other = 1u; other < ${grid.threadColumns}u; other++) {
      best = largest(best, tile[tileRow * ${grid.threadColumns}u + other]);
    }
    let queryRow = params.firstRow + queryTile * tileQueries + tileRow;
    if (queryRow < params.endRow) {
      let at = params.outputOffset + (batch * params.chosenHeads + place) * rows + queryRow - params.firstRow;
      best = largest(best, best.yzwx);
      best = largest(best, best.zwxy);
      if (params.continues != 0u) { best = largest(best, vec4<f32>(weights[at])); }
      weights[at] = best.x;
    }
  }
}`
}
