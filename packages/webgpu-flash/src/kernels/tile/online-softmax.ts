// The online softmax (Milakov and Gimelshein, arXiv 1805.02867) on registers: the running maximum
// and sum of every row, and the scores turned into probabilities in place.
import { unroll } from '../../codegen/snippets.ts'
import { weightsOfRound } from '../careful-rounds.ts'
import { fourRows, lane, loopStep, ownColumnVectors, ownRows } from './grid.ts'
import type { ThreadGrid } from './grid.ts'

/** Where a row's maxima are shared, and what has to be rescaled with the sum. */
export interface OnlineSoftmax {
  readonly scores: string
  /** Name of a constant: a region of `threadColumns` x `tileRows / 4` vectors. */
  readonly region: string
  /** Output registers of row i. */
  readonly outputs: (row: number) => readonly string[]
}

/**
 * Declares `shift`, by which weights stay below 1 where there is care: values near the largest float
 * must not overflow in the sum. By 2^-32, so that as many of them may be added.
 */
export const declareShift = (careful = 'careful'): string =>
  `let shift = select(0.0, 22.180709777918249, ${careful});`

/**
 * The registers `maximum{i}` and `sum{i}` before any key has been seen. A sink is a score that is
 * there from the start; the first column counts it.
 *
 * @param sink - A variable that holds it.
 */
export function startSoftmax(grid: ThreadGrid, sink?: string): string {
  if (sink !== undefined) {
    return `let startMaximum = max(${sink}, smallestMaximum);
let startSum = select(0.0, exp(${sink} - (startMaximum + shift)), column == 0u);
${unroll(ownRows(grid), (i) => `var maximum${i} = startMaximum;\nvar sum${i} = startSum;`)}`
  }
  return unroll(ownRows(grid), (i) => `var maximum${i} = smallestMaximum;\nvar sum${i} = 0.0;`)
}

/** Stores one value of each of a thread's rows, for its column: `[column][4 rows]`. */
export function shareRows(grid: ThreadGrid, region: string, name: (row: number) => string): string {
  const rowVectors = ownRows(grid) / 4
  return unroll(
    rowVectors,
    (h) =>
      `tile[${region} + column * ${grid.tileRows / 4}u + row * ${rowVectors}u + ${h}u] = vec4<f32>(${fourRows(h, name)});`,
  )
}

/** WGSL of one step. One barrier inside; every thread keeps the sum of its own columns. */
export function onlineSoftmax(grid: ThreadGrid, softmax: OnlineSoftmax): string {
  const { scores, region } = softmax
  const columnVectors = ownColumnVectors(grid)
  const rowVectors = ownRows(grid) / 4
  const vectorsOf = (i: number): string[] =>
    Array.from({ length: columnVectors }, (_, j) => `${scores}${i}_${j}`)
  const best = (i: number): string => vectorsOf(i).reduce((a, b) => `max(${a}, ${b})`)
  const top = (i: number): string => `top${i >> 2}.${lane(i)}`
  return `${unroll(ownRows(grid), (i) => `let best${i} = ${best(i)};`)}
${shareRows(grid, region, (i) => `max(max(best${i}.x, best${i}.y), max(best${i}.z, best${i}.w))`)}
workgroupBarrier();
${unroll(rowVectors, (h) => `var top${h} = vec4<f32>(${fourRows(h, (i) => `maximum${i}`)});`)}
for (var other = 0u; other < ${grid.threadColumns}u; ${loopStep(grid, 'other')}) {
${unroll(rowVectors, (h) => `  top${h} = max(top${h}, tile[${region} + other * ${grid.tileRows / 4}u + row * ${rowVectors}u + ${h}u]);`)}
}
${unroll(
  ownRows(grid),
  (i) => `let decay${i} = select(exp(maximum${i} - ${top(i)}), 1.0, round > 1u);
maximum${i} = ${top(i)};
let reference${i} = vec4<f32>(maximum${i} + shift);`,
)}
${weightsOfRound(grid, scores)}
${unroll(ownRows(grid), (i) => {
  const sums = vectorsOf(i).map((score) => `dot(${score}, vec4<f32>(1.0))`)
  const rescale = softmax.outputs(i).map((output) => `${output} *= decay${i};`)
  return `sum${i} = sum${i} * decay${i} + ${sums.join(' + ')};\n${rescale.join(' ')}`
})}`
}
