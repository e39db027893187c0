// The softmax of the subgroup-matrix kernel: scores in workgroup memory become probabilities there,
// relative to a reference that moves rarely; and the output crosses workgroup memory when it does.
import { changeStatements } from '../../codegen/score-change.ts'
import { indent, unroll } from '../../codegen/snippets.ts'
import type { MatrixTile } from '../../plan/matrix-tile.ts'
import type { ForwardMatrixConfig } from '../forward-matrix.wgsl.ts'

/** Scores to probabilities, row by row; the rules are those of the tiled kernel. */
export function matrixSoftmax(config: ForwardMatrixConfig): string {
  const { tile, rules } = config
  const vectors = tile.keys / tile.lanesPerRow / 4
  const each = (line: (j: number) => string): string => unroll(vectors, line)
  const pairs = (line: (score: string, past: number) => string): string =>
    each((j) => unroll(4, (k) => line(`score${j}.${'xyzw'[k]}`, 4 * j + k)))
  const all = Array.from({ length: vectors }, (_, j) => `score${j}`)
  const { change } = rules
  const held = all.flatMap((name, j) =>
    [0, 1, 2, 3].map((k) => ({ score: `${name}.${'xyzw'[k]}`, pastQuery: 0, pastKey: 4 * j + k })),
  )
  const changed = change
    ? `{\n${indent(`let keyPosition = i32(firstKey + column);\n${changeStatements(change, held)}`, 2)}\n}`
    : ''
  const key = (past: number): string => `firstKey + column + ${past}u`
  const visible = (past: number): string =>
    rules.hasMask
      ? ` && visible(i32(batch), i32(head), position, queryIndex, i32(${key(past)}))`
      : ''
  return `${each((j) => `var score${j} = scores[subgroup][ownRow * scoreStride + part * ${vectors}u + ${j}u] * scale;`)}
${changed}
${each((j) => `score${j} = clamp(score${j}, vec4<f32>(hidden), vec4<f32>(-hidden));`)}
if (!full) {
${pairs((score, past) => `  if (!(${key(past)} < keyCount${visible(past)})) { ${score} = hidden; }`)}
}
let best = ${all.reduce((a, b) => `max(${a}, ${b})`)};
var top = max(max(best.x, best.y), max(best.z, best.w));
${shuffles(tile, (step) => `top = max(top, subgroupShuffleXor(top, ${step}u));`)}
let grows = top > reference + slack;
let moved = select(reference, top, grows);
let decay = exp(reference - moved);
reference = moved;
${each((j) => `score${j} = exp(score${j} - vec4<f32>(reference));`)}
sum = sum * decay + ${all.map((name) => `dot(${name}, vec4<f32>(1.0))`).join(' + ')};
${each((j) => `probabilities[subgroup][ownRow * probabilityStride + part * ${vectors}u + ${j}u] = vec4<f16>(score${j});`)}
let anyGrows = subgroupAny(grows);
if (lane == 0u) { outgrown[subgroup] = u32(anyGrows); }
// Also the barrier between the probabilities' stores and loads.
let grown = workgroupUniformLoad(&outgrown);
if (${Array.from({ length: tile.subgroups }, (_, s) => `grown[${s}]`).join(' + ')} > 0u) {
${indent(
  throughScores(
    config,
    (place) => `scores[subgroup][${place}] *= decay;`,
    (name, place) =>
      `${name} = subgroupMatrixLoad<Result, row_major>(&scores[subgroup], ${place}u, scoreStride);`,
  ),
  2,
)}
}`
}

/** Exchanges between the lanes of a row. */
export function shuffles({ lanesPerRow }: MatrixTile, line: (step: number) => string): string {
  const steps = [1, 2, 4, 8, 16, 32, 64].filter((step) => step < lanesPerRow)
  return steps.map(line).join('\n')
}

/**
 * Brings the output to workgroup memory, as many columns at a time as the scores have; `row` runs
 * for each of a lane's vectors, and `after` (where given) for each matrix once all lanes are done.
 */
export function throughScores(
  { tile, memory, valueDim }: ForwardMatrixConfig,
  row: (place: string, vector: string) => string,
  after?: (matrix: string, place: number) => string,
): string {
  const { rows, columns } = tile.matrix
  const perPass = tile.keys / columns
  const vectors = tile.keys / tile.lanesPerRow / 4
  const matrices = valueDim / columns
  return unroll(Math.ceil(matrices / perPass), (pass) => {
    const some = Math.min(perPass, matrices - pass * perPass)
    const each = (line: (name: string, place: number) => string): string =>
      unroll(tile.rowBlocks, (b) =>
        unroll(some, (n) =>
          line(
            `output${b}_${pass * perPass + n}`,
            b * rows * memory.scoreStride + (n * columns) / 4,
          ),
        ),
      )
    const firstVector = (pass * tile.keys) / 4
    return `${each((name, place) => `subgroupMatrixStore<row_major>(&scores[subgroup], ${place}u, ${name}, scoreStride);`)}
workgroupBarrier();
${unroll(vectors, (j) => row(`ownRow * scoreStride + part * ${vectors}u + ${j}u`, `${firstVector}u + part * ${vectors}u + ${j}u`))}
workgroupBarrier();
${after ? `${each(after)}\nworkgroupBarrier();` : ''}`
  })
}
