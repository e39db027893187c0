// The last step of the matrix kernel: rows are divided by their sums (FlashAttention-2, 2307.08691), meet
// the sink and what an earlier dispatch left there, and leave through workgroup memory.
import { indent, unroll } from '../../../codegen/snippets.ts'
import type { ForwardMatrixConfig } from './forward-matrix.wgsl.ts'
import { eachLaneRow, laneVector } from './lane-rows.ts'
import { laneVectors } from './lane-vectors.ts'

/** Declares `queryRow{r}`: the queries of a lane's rows. */
export function declareQueryRows({ tile }: ForwardMatrixConfig): string {
  const rows = tile.rowBlocks * tile.matrix.rows
  return eachLaneRow(
    tile,
    (r) => `let queryRow${r} = firstQuery + subgroup * ${rows}u + ownRow${r};`,
  )
}

/** WGSL of `RowEnd` and `endRow`: what a row's sum comes to, with a sink and what lies in the output. */
export function endRowFunction({ sinks }: ForwardMatrixConfig): string {
  const sink = `  // A sink is a key without a value; the first of several dispatches over the same rows counts it.
  if (params.mergeWithOutput == 0u) {
    let sink = max(bitcast<f32>(data[params.sinkBase + head]), unseen);
    let larger = max(logarithm, sink);
    let share = select(0.0, exp(logarithm - larger), seen);
    let all = share + exp(sink - larger);
    end.own *= share / all;
    end.logSumExp = larger + log(all);
  }
`
  return /* wgsl */ `struct RowEnd {
  own: f32,
  previous: f32,
  logSumExp: f32,
}

// \`sum\` is relative to 2^reference. The row is \`own\` times the weighted sum, and \`previous\` times the output.
fn endRow(head: u32, place: u32, sum: f32, reference: f32) -> RowEnd {
  let seen = bitcast<u32>(sum) != 0u; // and not sum > 0, since a sum of NaN is one
  let logarithm = select(unseen, (reference + log2(sum)) / log2e, seen);
  var end = RowEnd(select(0.0, 1.0 / sum, seen), 0.0, select(bitcast<f32>(params.negativeInfinity), logarithm, seen));
${sinks ? sink : ''}  if (params.mergeWithOutput != 0u) {
    let previous = logSumExp[place];
    if (bitcast<u32>(previous) != bitcast<u32>(params.negativeInfinity)) {
      let larger = max(previous, logarithm);
      let previousPart = exp(previous - larger);
      let ownPart = select(0.0, exp(logarithm - larger), seen);
      let all = previousPart + ownPart;
      end = RowEnd(end.own * (ownPart / all), previousPart / all, larger + log(all));
    }
  }
  return end;
}`
}

/** Where a row's log-sum-exp and output lie. */
export const rowPlaces = (row: string, suffix: string): string =>
  `let place${suffix} = params.logSumExpOffset + (batch * params.heads + head) * params.queryLength + min(${row}, lastQuery);
let outputBase${suffix} = params.outputOffset + batch * params.outputBatch + head * params.outputHead + ${row} * params.outputRow;`

/** Writes all rows. */
export function finishRows(config: ForwardMatrixConfig): string {
  const { tile } = config
  return `${eachLaneRow(
    tile,
    (r) => `${rowPlaces(`queryRow${r}`, `${r}`)}
let inside${r} = queryRow${r} <= lastQuery;
let end${r} = endRow(head, place${r}, sum${r}, reference${r});`,
  )}
workgroupBarrier();
${eachLaneRow(tile, (r) => `if (inside${r} && part == 0u) { logSumExp[place${r}] = end${r}.logSumExp; }`)}
${throughScores(
  config,
  (from, vector, r) => `if (inside${r} && ${vector} < valueVectors) {
  var value = scores[subgroup][${from}] * end${r}.own;
  if (end${r}.previous > 0.0) { value += loadOutput(outputBase${r}, ${vector}) * end${r}.previous; }
  storeOutput(outputBase${r}, ${vector}, value);
}`,
)}`
}

/**
 * Brings the output to workgroup memory, as many columns at a time as the scores have; `row` runs for
 * each of a lane's vectors.
 */
function throughScores(
  config: ForwardMatrixConfig,
  row: (place: string, vector: string, r: number) => string,
): string {
  const { tile, memory, valueDim } = config
  const { rows, columns } = tile.matrix
  const perPass = tile.keys / columns
  const matrices = valueDim / columns
  return unroll(Math.ceil(matrices / perPass), (pass) => {
    const some = Math.min(perPass, matrices - pass * perPass)
    const stores = unroll(tile.rowBlocks, (b) =>
      unroll(some, (n) => {
        const place = b * rows * memory.scoreStride + (n * columns) / 4
        return `subgroupMatrixStore<row_major>(&scores[subgroup], ${place}u, output${b}_${pass * perPass + n}, scoreStride);`
      }),
    )
    const firstVector = (pass * tile.keys) / 4
    const moves = eachLaneRow(tile, (r) =>
      unroll(laneVectors(config), (j) =>
        row(
          `ownRow${r} * scoreStride + ${laneVector(tile, j)}`,
          `${firstVector}u + ${laneVector(tile, j)}`,
          r,
        ),
      ),
    )
    return `${stores}\nworkgroupBarrier();\n${indent(moves, 0)}\nworkgroupBarrier();`
  })
}
