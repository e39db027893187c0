// The last step of the matrix kernel: rows are divided by their sums (FlashAttention-2, 2307.08691), meet
// the sink and what an earlier dispatch left there, and leave through workgroup memory.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { rolledLoop } from '../../rolled-loops.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { eachLaneRow, laneVector } from './lane-rows.ts'
import { laneVectors } from './lane-vectors.ts'
import { querySlot, queryTokenAt } from './tokens.ts'

/** Declares `queryRow{r}`: the queries of a lane's rows. */
export function declareQueryRows(config: ForwardMatrixConfig): string {
  return eachLaneRow(
    config.tile,
    (r) => `let queryRow${r} = ${queryTokenAt(config, querySlot(config, `ownRow${r}`))};`,
  )
}

/** WGSL of `RowEnd` and `endRow`: what a row's sum comes to, with a sink and what lies in the output. */
export function endRowFunction({ sinks, parts, hugeScores }: ForwardMatrixConfig): string {
  const sink = `  // A sink is a key without a value; the first of several ${parts ? 'parts' : 'dispatches'} over the same rows counts it.
  if (params.mergeWithOutput == 0u${parts ? ' && firstPart' : ''}) {
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
fn endRow(head: u32, place: u32, sum: f32, reference: f32${parts ? ', firstPart: bool' : ''}) -> RowEnd {
  let seen = bitcast<u32>(sum) != 0u; // and not sum > 0, since a sum of NaN is one
  ${hugeScores ? 'var' : 'let'} logarithm = select(unseen, (reference + log2(sum)) / log2e, seen);
${hugeScores ? lowestLogarithm : ''}  var end = RowEnd(select(0.0, 1.0 / sum, seen), 0.0, select(bitcast<f32>(params.negativeInfinity), logarithm, seen));
${sinks ? sink : ''}${parts ? '' : merging}  return end;
}`
}

/** Rows whose scores all are bounded ones: these stand for the lowest float32, beside which log(n) vanishes. */
const lowestLogarithm = /* wgsl */ `  logarithm = select(logarithm, -3.4028234663852886e38, seen && logarithm < 0.95 * lowestScore);
`

/** Parts of rows are merged by a kernel of their own. */
const merging = /* wgsl */ `  if (params.mergeWithOutput != 0u) {
    let previous = logSumExp[place];
    if (bitcast<u32>(previous) != bitcast<u32>(params.negativeInfinity)) {
      let larger = max(previous, logarithm);
      let previousPart = exp(previous - larger);
      let ownPart = select(0.0, exp(logarithm - larger), seen);
      let all = previousPart + ownPart;
      end = RowEnd(end.own * (ownPart / all), previousPart / all, larger + log(all));
    }
  }
`

/** Text of where the output of a row lies, given its query and its number in the subgroup's tile. */
export function outputBaseOf(config: ForwardMatrixConfig, query: string, ownRow: string): string {
  const row = config.parts ? partRow(config, ownRow) : query
  return `params.outputOffset + batch * params.outputBatch + head * params.outputHead + ${row} * params.outputRow`
}

/** Parts of rows have buffers of their own, tile after tile. */
const partRow = ({ tile }: ForwardMatrixConfig, ownRow: string): string =>
  `(rowPart * tileQueries + subgroup * ${tile.rowBlocks * tile.matrix.rows}u + ${ownRow})`

/**
 * Declares where the log-sum-exp and output of a lane's rows lie, which of them there are, and what they come to.
 *
 * @param reference - Text of what the sum of row r is relative to, as a power of two.
 */
export function declareRowEnds(
  config: ForwardMatrixConfig,
  reference: (r: number) => string,
): string {
  const { tile, parts } = config
  return eachLaneRow(tile, (r) => {
    const place = parts
      ? `params.mapQueryTiles * tileQueries + ${partRow(config, `ownRow${r}`)}`
      : `params.queryLength + min(queryRow${r}, lastQuery)`
    return `let place${r} = params.logSumExpOffset + (batch * params.heads + head) * ${place};
let outputBase${r} = ${outputBaseOf(config, `queryRow${r}`, `ownRow${r}`)};
let inside${r} = queryRow${r} <= lastQuery;
let end${r} = endRow(head, place${r}, sum${r}, ${reference(r)}${parts ? ', firstPart' : ''});`
  })
}

/** Writes all rows. */
export function finishRows(config: ForwardMatrixConfig): string {
  const { tile } = config
  return `${declareRowEnds(config, (r) => `reference${r}`)}
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
  const perPortion = tile.keys / columns
  const matrices = valueDim / columns
  const portions = Math.ceil(matrices / perPortion)
  const stores = Array.from({ length: portions }, (_, portion) =>
    unroll(tile.rowBlocks, (b) =>
      unroll(Math.min(perPortion, matrices - portion * perPortion), (n) => {
        const place = b * rows * memory.scoreStride + (n * columns) / 4
        return `subgroupMatrixStore<row_major>(&scores[subgroup], ${place}u, output${b}_${portion * perPortion + n}, scoreStride);`
      }),
    ),
  )
  const moves = (firstVector: string): string =>
    eachLaneRow(tile, (r) =>
      unroll(laneVectors(config), (j) => {
        const vector = laneVector(tile, j)
        return row(`ownRow${r} * scoreStride + ${vector}`, `${firstVector} + ${vector}`, r)
      }),
    )
  if (portions === 1) return `${stores[0]}\nworkgroupBarrier();\n${moves('0u')}`
  // Matrices have names and no numbers, so which are stored is asked one after the other.
  const choice = stores
    .map((text, portion) => `if (portion == ${portion}u) {\n${indent(text, 2)}\n}`)
    .join(' else ')
  return rolledLoop(
    'portion',
    portions,
    `${choice}
workgroupBarrier();
${moves(`portion * ${tile.keys / 4}u`)}
workgroupBarrier();`,
  )
}
