// The backward products by two teams of threads. S and dP need the same loads and loops, and so do dV
// and dK: while one team computes the first of each, the other computes the second, so that each
// thread has room in its registers for larger tiles of both. Between the two, P and dS cross
// workgroup memory. For dQ there is one sum, of which each team takes half of the keys.
import { indent, unroll } from '../../codegen/snippets.ts'
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import type { BackwardTile } from '../../plan/backward/backward-tile.ts'
import type { TeamMemory } from '../../plan/backward/team-memory.ts'
import { alternating, beginDealt, dealRows, dealTransposed } from './dealt-loads.ts'
import type { DealtLoad, TransposedOperand } from './dealt-loads.ts'
import {
  columnOffset,
  eachScore,
  fourRows,
  lane,
  ownColumnVectors,
  ownRows,
  threadCount,
} from './grid.ts'
import {
  dropoutText,
  ofQuery,
  pairSteps,
  probabilities,
  softmaxOfQueries,
  startSlopes,
} from './pair-gradient.ts'
import type { PairGrid } from './pair-gradient.ts'
import { transposedStride } from './source.ts'
import type { TileSource } from './source.ts'
import { addRows } from './weighted-sum.ts'

/** One tile of the work of two teams. The grid is that of one team. */
export interface TeamTile {
  readonly tile: BackwardTile
  readonly memory: TeamMemory
  readonly grid: PairGrid
  readonly rules: GradientRules
  readonly dropout: boolean
  /** Rows and columns of the products S (team 0) and dP (team 1). */
  readonly products: readonly {
    readonly rows: TileSource
    readonly columns: TileSource
  }[]
  /** What P (team 0) and dS (team 1) are the weights of, or dS alone (both). */
  readonly sources: readonly TileSource[]
}

/** Declares the team and the place of a thread in it. */
export function teamOrigin(grid: PairGrid): string {
  return `let team = thread / ${threadCount(grid)}u;
let member = thread % ${threadCount(grid)}u;
let column = member % ${grid.threadColumns}u;
let row = member / ${grid.threadColumns}u;`
}

/**
 * Brings log-sum-exp and D of the tile's queries to workgroup memory: in registers they would last
 * through the products. Barriers inside the tile come before they are read and written again.
 */
export function shareSoftmax(grid: PairGrid, memory: TeamMemory, threads: number): string {
  const count = grid.rowTokens === 'queries' ? grid.tileRows : grid.tileColumns
  return `for (var slot = thread; slot < ${count}u; slot += ${threads}u) {
  tile[${memory.softmax}u + slot] = vec4<f32>(softmaxRow(batch, head, firstQuery + slot), 0.0, 0.0);
}`
}

function sharedSoftmax(grid: PairGrid, memory: TeamMemory): string {
  return softmaxOfQueries(grid, (slot) => `tile[${memory.softmax}u + ${slot}].xy`)
}

/** Vectors of dims that a thread sums. */
export function sumVectors(grid: PairGrid, memory: TeamMemory): number {
  return memory.stride / grid.threadColumns
}

/** WGSL of one tile; adds to the registers `sum{i}_{c}`. */
export function teamTile(work: TeamTile): string {
  const { tile, memory, grid, rules } = work
  const threads = 2 * threadCount(grid)
  const parts = tile.parts ?? 1
  const rows = dealRows(
    threads,
    work.sources.map((source, kind) => ({ source, place: kind * memory.source })),
    tile.sourceChunk,
    memory.stride,
  )
  return [
    eachScore(grid, 'score', (score) => `var ${score} = vec4<f32>(0.0);`),
    products(work, threads),
    beginDealt(rows, '0u'),
    startSlopes(grid, rules),
    `if (team == 0u) {\n${indent(`${sharedSoftmax(grid, memory)}\n${probabilities(grid, rules, false)}`, 2)}\n}`,
    unroll(parts, (part) => `{\n${indent(sumOfPart(work, rows, part), 2)}\n}`),
  ]
    .filter((text) => text !== '')
    .join('\n')
}

function products({ tile, memory, grid, products: pair }: TeamTile, threads: number): string {
  const { rows, columns, operandBuffer, dimChunks } = memory
  const operands = pair.flatMap((product, team): TransposedOperand[] => [
    { source: product.rows, role: 'rows', tokens: tile.rows, place: team * rows },
    {
      source: product.columns,
      role: 'columns',
      tokens: tile.columns,
      place: 2 * rows + team * columns,
    },
  ])
  const load = dealTransposed(threads, operands, tile.dimChunk)
  const rowVectors = ownRows(grid) / 4
  const columnVectors = ownColumnVectors(grid)
  const multiply = (buffer: string): string => `for (var dim = 0u; dim < ${tile.dimChunk}u; dim++) {
${unroll(rowVectors, (h) => `  let a${h} = tile[${buffer} + team * ${rows}u + dim * ${transposedStride(tile.rows)}u + row * ${rowVectors}u + ${h}u];`)}
${unroll(columnVectors, (j) => `  let b${j} = tile[${buffer} + ${2 * rows}u + team * ${columns}u + dim * ${transposedStride(tile.columns)}u + column + ${j * grid.threadColumns}u];`)}
${unroll(ownRows(grid), (i) =>
  unroll(
    columnVectors,
    (j) => `  score${i}_${j} = fma(vec4<f32>(a${i >> 2}.${lane(i)}), b${j}, score${i}_${j});`,
  ),
)}
}`
  const step = (chunk: string): string => `${chunk} * ${tile.dimChunk / 4}u`
  return `{
${indent(
  [
    beginDealt(load, '0u'),
    'workgroupBarrier();',
    load.store('0u'),
    alternating(load, dimChunks, operandBuffer, step, multiply),
  ].join('\n'),
  2,
)}
}`
}

function sumOfPart(work: TeamTile, load: DealtLoad, part: number): string {
  const { tile, memory, grid } = work
  const kinds = work.sources.length
  const first = (part * tile.columns) / (tile.parts ?? 1)
  // Each team has weights and rows of its own, or else half of the tokens in every chunk.
  const tokens = kinds === 2 ? tile.sourceChunk : tile.sourceChunk / 2
  const weightShift = kinds === 2 ? memory.weightSize : tokens * memory.weightStride
  const sourceShift = kinds === 2 ? memory.source : tokens * memory.stride
  const rowVectors = ownRows(grid) / 4
  const vectors = sumVectors(grid, memory)
  const multiply = (buffer: string, chunk: string): string =>
    addRows(grid, 'sum', vectors, tokens, {
      weight: (h) =>
        `tile[${memory.weights}u + team * ${weightShift}u + (${chunk} * ${tile.sourceChunk}u + token) * ${memory.weightStride}u + row * ${rowVectors}u + ${h}u]`,
      source: (c) =>
        `tile[${buffer} + team * ${sourceShift}u + token * ${memory.stride}u + column + ${c * grid.threadColumns}u]`,
    })
  const from = (chunk: string): string => `${first}u + ${chunk} * ${tile.sourceChunk}u`
  return [
    'workgroupBarrier();',
    load.store('0u'),
    `if (team == 0u) {\n${indent(giveProbabilities(work, part), 2)}\n}`,
    'workgroupBarrier();',
    `if (team == 1u) {\n${indent(`${sharedSoftmax(grid, memory)}\n${takeProbabilities(work, part)}`, 2)}\n}`,
    alternating(
      load,
      memory.sumChunks,
      memory.sourceBuffer,
      from,
      multiply,
      part + 1 < (tile.parts ?? 1),
    ),
  ].join('\n')
}

/** One line for each vector of weights of a thread in a part: 4 rows at one column. */
function eachWeight(
  { tile, memory, grid }: TeamTile,
  part: number,
  line: (h: number, j: number, k: number, place: string) => string,
): string {
  const rowVectors = ownRows(grid) / 4
  const parts = tile.parts ?? 1
  const lanes = 4 / parts
  return unroll(ownColumnVectors(grid), (j) =>
    unroll(lanes, (n) =>
      unroll(rowVectors, (h) => {
        const k = part * lanes + n
        const past = columnOffset(grid, j, k) - (part * tile.columns) / parts
        const place = `${memory.weights}u + (column + ${past}u) * ${memory.weightStride}u + row * ${rowVectors}u + ${h}u`
        return line(h, j, k, place)
      }),
    ),
  )
}

/** Team 0 writes P; where it is not needed again, times the slopes of the score modifiers. */
function giveProbabilities(work: TeamTile, part: number): string {
  const { rules, memory } = work
  const keep = work.sources.length === 2
  return eachWeight(work, part, (h, j, k, place) => {
    const gather = (name: string): string =>
      `vec4<f32>(${fourRows(h, (i) => `${name}${i}_${j}.${lane(k)}`)})`
    if (!rules.hasSlopes) return `tile[${place}] = ${gather('score')};`
    if (keep) {
      return `tile[${place}] = ${gather('score')};
tile[${memory.weightSize}u + ${place}] = ${gather('slope')};`
    }
    // A pair that does not matter must not: its slope may be infinite.
    return `{
  let probability = ${gather('score')};
  tile[${place}] = select(probability * ${gather('slope')}, probability, probability == vec4<f32>(0.0));
}`
  })
}

/** Team 1 reads P and writes dS in its place, or beside it; with dropout it thins P for dV. */
function takeProbabilities(work: TeamTile, part: number): string {
  const { grid, rules, dropout, memory } = work
  const keep = work.sources.length === 2
  return eachWeight(work, part, (h, j, k, place) => {
    const rows = [0, 1, 2, 3].map((n) => 4 * h + n)
    const deltas = rows.map((i) => ofQuery(grid, i, j, k))
    const delta =
      grid.rowTokens === 'keys' ? `vec4<f32>(${deltas[0]!})` : `vec4<f32>(${deltas.join(', ')})`
    const product = `vec4<f32>(${fourRows(h, (i) => `score${i}_${j}.${lane(k)}`)})`
    const kept = dropout
      ? `let kept = ${dropoutText(
          rows.map((i) => pairSteps(grid, i, j, k)),
          rules.countsWithin,
        )};\n  `
      : ''
    const gradient = `probability * (${product}${dropout ? ' * kept' : ''} - ${delta})`
    const none = 'probability, probability == vec4<f32>(0.0)'
    const target = keep ? `${memory.weightSize}u + ${place}` : place
    const sloped =
      keep && rules.hasSlopes
        ? `let gradient = select(${gradient}, ${none});
  tile[${target}] = select(gradient * tile[${target}], gradient, gradient == vec4<f32>(0.0));`
        : `tile[${target}] = select(${gradient}, ${none});`
    return `{
  let probability = tile[${place}];
  ${kept}${sloped}${keep && dropout ? `\n  tile[${place}] = probability * kept;` : ''}
}`
  })
}

/** Adds what team 1 has summed to the array `sums` of team 0, for sums that the teams share. */
export function joinTeams(grid: PairGrid, memory: TeamMemory): string {
  const vectors = sumVectors(grid, memory)
  const place = (c: number): string => `tile[member + ${c * threadCount(grid)}u]`
  return `for (var i = 0u; i < ${ownRows(grid)}u; i++) {
  workgroupBarrier();
  if (team == 1u) {
${unroll(vectors, (c) => `    ${place(c)} = sums[i * ${vectors}u + ${c}u];`)}
  }
  workgroupBarrier();
  if (team == 0u) {
${unroll(vectors, (c) => `    sums[i * ${vectors}u + ${c}u] += ${place(c)};`)}
  }
}`
}
