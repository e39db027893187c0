// Gradients of trainable tables, stage one: sums over the pairs of a workgroup in a fixed order, since
// there are no float atomics. Shares and entries of a tile lie in workgroup memory, a quarter of its
// columns at a time; each thread owns entries and picks their shares out of all of them.
import { indent, unroll } from '../../codegen/snippets.ts'
import { declareNothing, rolledLoop } from '../rolled-loops.ts'
import { fourRows, lane, ownColumnVectors, ownRows, threadCount } from './grid.ts'
import { eachPair, pairArguments } from './pair-gradient.ts'
import type { PairGrid } from './pair-gradient.ts'

/** One look-up in a trainable table. */
export interface TableSum {
  /** Whether pairs add to entries of their own in place. */
  readonly direct: boolean
  /** Entries a workgroup tells apart; see plan/table-lookups.ts. */
  readonly entries: number
}

/** Threads that share an entry, where there are more threads than entries; and entries a thread. */
export function tableSumShape(
  entries: number,
  threads: number,
): { readonly sharers: number; readonly perThread: number } {
  return {
    sharers: Math.max(1, Math.floor(threads / entries)),
    perThread: Math.ceil(entries / threads),
  }
}

/** Uniform fields: where each look-up's gradients lie in `tableGradients`. */
export function tableFields(tables: readonly TableSum[]): string[] {
  return tables.map((_, number) => `tableBase${number}`)
}

/** Declares a thread's sums, and which entries and shares are its own. */
export function startTableSums(grid: PairGrid, tables: readonly TableSum[]): string {
  const threads = threadCount(grid)
  return summed(tables)
    .map(({ number, entries }) => {
      const { sharers, perThread } = tableSumShape(entries, threads)
      const own =
        sharers > 1 || perThread === 1
          ? `let tableShift${number} = thread / ${entries}u;
let ownEntry${number} = select(-1.0, f32(thread % ${entries}u), tableShift${number} < ${sharers}u);`
          : `let ownEntry${number} = f32(thread);`
      return `${own}\n${unroll(perThread, (k) => `var tableSum${number}_${k} = 0.0;`)}`
    })
    .join('\n')
}

function summed(tables: readonly TableSum[]): (TableSum & { readonly number: number })[] {
  return tables.map((table, number) => ({ ...table, number })).filter(({ direct }) => !direct)
}

/** What compiles slowly on software adapters is conditions: one in a loop in place of one a pair. */
function addInLoop(shares: string, add: string): string {
  const lines = shares.split('\n')
  return `{
  ${declareNothing}
  var shares = array<TableShare, ${lines.length}>(
${indent(shares, 4)}
  );
${indent(rolledLoop('pair', lines.length, `let share = shares[pair];\n${add}`), 2)}
}`
}

/**
 * Adds the shares of one tile, given the scaled products `product{i}_{j}` and the gradients of the
 * modified scores `gradient{i}_{j}`. Uses the weights' memory before they are written.
 */
export function addTableShares(
  grid: PairGrid,
  tables: readonly TableSum[],
  shortText = false,
): string {
  const share = (number: number, i: number, j: number, k: number): string =>
    `tableShare${number}(product${i}_${j}.${lane(k)}, gradient${i}_${j}.${lane(k)}, ${pairArguments(grid, i, j, k)})`
  const add = (number: number): string =>
    `if (share.gradient != 0.0 && !careful) { tableGradients[params.tableBase${number} + share.entry] += share.gradient; }`
  const inPlace = (number: number): string =>
    shortText
      ? addInLoop(
          eachPair(grid, (i, j, k) => `${share(number, i, j, k)},`),
          add(number),
        )
      : eachPair(
          grid,
          (i, j, k) => `{\n  let share = ${share(number, i, j, k)};\n  ${add(number)}\n}`,
        )
  const direct = tables.flatMap((table, number) => (table.direct ? [inPlace(number)] : []))
  const rowVectors = ownRows(grid) / 4
  const vectors = (grid.tileColumns / 4) * (grid.tileRows / 4)
  const parts = summed(tables).map(({ number, entries }) => {
    const { sharers, perThread } = tableSumShape(entries, threadCount(grid))
    const quarter = (k: number): string => `workgroupBarrier();
${unroll(ownColumnVectors(grid), (j) =>
  unroll(rowVectors, (h) => {
    const name = (i: number): string => `share${i}`
    return `{
${unroll(4, (n) => `  let ${name(4 * h + n)} = ${share(number, 4 * h + n, j, k)};`)}
  let place = weightRegion + (column + ${j * grid.threadColumns}u) * ${grid.tileRows / 4}u + row * ${rowVectors}u + ${h}u;
  tile[place] = vec4<f32>(${fourRows(h, (i) => `${name(i)}.gradient`)});
  tile[place + ${vectors}u] = vec4<f32>(${fourRows(h, (i) => `f32(${name(i)}.entry)`)});
}`
  }),
)}
workgroupBarrier();
for (var place = ${sharers > 1 ? `tableShift${number}` : '0u'}; place < ${vectors}u; place += ${sharers}u) {
  let shares = tile[weightRegion + place];
  let entries = tile[weightRegion + ${vectors}u + place];
${unroll(perThread, (n) => `  tableSum${number}_${n} += dot(select(vec4<f32>(0.0), shares, entries == vec4<f32>(ownEntry${number} + ${n * threadCount(grid)}.0)), vec4<f32>(1.0));`)}
}`
    return `${unroll(4, quarter)}\nworkgroupBarrier();`
  })
  return [...direct, ...parts].join('\n')
}

/** Writes a workgroup's sums, or adds them to those of earlier keys: `[head, row tile][entry]`. */
export function storeTableSums(grid: PairGrid, tables: readonly TableSum[]): string {
  const threads = threadCount(grid)
  return summed(tables)
    .map(({ number, entries }) => {
      const { sharers, perThread } = tableSumShape(entries, threads)
      const slots = sharers * entries
      return unroll(
        perThread,
        (k) => `if (thread + ${k * threads}u < ${slots}u) {
  let place = params.tableBase${number} + ((batch * params.heads + head) * params.rowTiles + rowTile) * ${slots}u + thread + ${k * threads}u;
  let earlier = select(0.0, tableGradients[place], params.accumulate != 0u);
  tableGradients[place] = earlier + tableSum${number}_${k};
}`,
      )
    })
    .join('\n')
}
