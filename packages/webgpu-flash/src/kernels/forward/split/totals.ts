// The output in float32 registers, where matrices move their sums every few tiles: lanes hold it as they hold
// scores, so that rows can be scaled there.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { rolledLoop } from '../../rolled-loops.ts'
import { declareRowEnds } from '../matrix/finish.ts'
import type { ForwardMatrixConfig } from '../matrix/config.ts'
import { eachLaneRow, laneVector, shuffles } from '../matrix/lane-rows.ts'

type Config = ForwardMatrixConfig

/** Vectors that a lane has of a row of one matrix. */
const vectorsOfMatrix = ({ tile }: Config): number => tile.matrix.columns / 4 / tile.lanesPerRow

/** A line for each register: row r, matrix c, vector j. */
export function eachTotal(
  config: Config,
  line: (name: string, r: number, c: number, j: number) => string,
): string {
  return unroll(config.valueDim / config.tile.matrix.columns, (c) => ofMatrix(config, c, line))
}

function ofMatrix(
  config: Config,
  c: number,
  line: (name: string, r: number, c: number, j: number) => string,
): string {
  return eachLaneRow(config.tile, (r) =>
    unroll(vectorsOfMatrix(config), (j) => line(`total${r}_${c}_${j}`, r, c, j)),
  )
}

/** Adds the output to the registers and clears its matrices. */
export function moveOutput(config: Config): string {
  const { tile, memory, valueDim } = config
  const { rows, columns } = tile.matrix
  const move = (c: number): string => `${unroll(
    tile.rowBlocks,
    (
      b,
    ) => `subgroupMatrixStore<row_major>(&scores[subgroup], ${b * rows * memory.scoreStride}u, output${b}_${c}, scoreStride);
output${b}_${c} = Result();`,
  )}
workgroupBarrier();
${ofMatrix(
  config,
  c,
  (name, r, _, j) =>
    `${name} += scores[subgroup][ownRow${r} * scoreStride + ${laneVector(tile, j)}];`,
)}
workgroupBarrier();`
  return `workgroupBarrier();\n${unroll(valueDim / columns, move)}`
}

/**
 * Moves the references of rows whose sums have grown, to where a sum of all so far is 2^4: what follows may be
 * 2^11 times as much, and is as precise.
 */
export function moveReferences(config: Config): string {
  const { tile } = config
  const row = (r: number): string => `{
  var whole = sum${r};
${indent(
  shuffles(tile, (step) => `whole += subgroupShuffleXor(whole, ${step}u);`),
  2,
)}
  let moved = select(base${r}, base${r} + (log2(whole) - 4.0) * perBit, whole > 64.0);
  let factor = exp2((base${r} - moved) * exponentScale);
  base${r} = moved;
  sum${r} *= factor;
${indent(
  eachTotal(config, (name, own) => (own === r ? `${name} *= factor;` : ''))
    .replaceAll(/\n+/g, '\n')
    .trim(),
  2,
)}
}`
  return eachLaneRow(tile, row)
}

/** Writes all rows, each divided by its sum. */
export function finishTotals(config: Config): string {
  const { tile, valueDim } = config
  const { columns } = tile.matrix
  const perMatrix = vectorsOfMatrix(config)
  const count = (valueDim / columns) * perMatrix
  const totalsOf = (r: number): string[] =>
    Array.from(
      { length: count },
      (_, i) => `total${r}_${Math.floor(i / perMatrix)}_${i % perMatrix}`,
    )
  const row = (r: number): string => `if (inside${r}) {
  var totals = array<vec4<f32>, ${count}>(${totalsOf(r).join(', ')});
${indent(
  rolledLoop(
    'i',
    count,
    `let vector = i / ${perMatrix}u * ${columns / 4}u + i % ${perMatrix}u * ${tile.lanesPerRow}u + part;
var result = totals[i] * end${r}.own * valueScale;
if (end${r}.previous > 0.0) { result += loadOutput(outputBase${r}, vector) * end${r}.previous; }
storeOutput(outputBase${r}, vector, result);`,
  ),
  2,
)}
}`
  return `${declareRowEnds(config, (r) => `base${r} * exponentScale`)}
workgroupBarrier();
${eachLaneRow(tile, (r) => `if (inside${r} && part == 0u) { logSumExp[place${r}] = end${r}.logSumExp; }`)}
${eachLaneRow(tile, row)}`
}
