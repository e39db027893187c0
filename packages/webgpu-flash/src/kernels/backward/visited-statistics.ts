// Statistics of the queries that a workgroup of keys visits, on their way to workgroup memory as their rows
// are: in registers while another tile is worked on. The kernels on matrices share it.
import { indent, unroll } from '../../codegen/snippets.ts'
import { subtrahend } from './matrix/pairs.ts'

/** Text of the moves of log-sum-exp, as it is subtracted, and D, scaled as dS is. */
export interface StatisticsStaging {
  readonly registers: string
  readonly fetch: (tile: string) => string
  readonly store: (place: string) => string
}

/**
 * @param columns - Queries of a tile; a multiple of 4.
 * @param exact - Whether P is as exact as float32.
 */
export function visitedStatistics(columns: number, exact: boolean): StatisticsStaging {
  const vectors = columns / 4
  const some = (text: string): string => `if (thread < ${vectors}u) {\n${indent(text, 2)}\n}`
  const gather = (component: string): string =>
    `vec4<f32>(${[0, 1, 2, 3].map((k) => `row${k}.${component}`).join(', ')})`
  return {
    registers: `var logSumExpNext = vec4<f32>();\nvar deltaNext = vec4<f32>();`,
    fetch: (from) =>
      some(`${unroll(4, (k) => `let row${k} = softmaxRow(batch, head, ${from} * tileColumns + 4u * thread + ${k}u);`)}
logSumExpNext = ${subtrahend(gather('x'), exact)};
deltaNext = ${gather('y')} * gradientScale;`),
    store: (place) =>
      some(`statistics[${place}][thread] = logSumExpNext;
statistics[${place}][thread + ${vectors}u] = deltaNext;`),
  }
}
