// Statistics of the queries that a workgroup of keys visits, on their way to workgroup memory as their rows
// are: in registers while another tile is worked on. The kernels on matrices share it.
import { indent } from '../../codegen/snippets.ts'
import { subtrahend } from './matrix/pairs.ts'

/** Text of the moves of log-sum-exp, as it is subtracted, and D, scaled as dS is. */
export interface StatisticsStaging {
  readonly registers: string
  readonly fetch: (tile: string) => string
  readonly store: (place: string) => string
}

/**
 * @param columns - Queries of a tile; a multiple of 4, and no more than there are threads.
 * @param exact - Whether P is as exact as float32.
 */
export function visitedStatistics(columns: number, exact: boolean): StatisticsStaging {
  const some = (text: string): string => `if (thread < ${columns}u) {\n${indent(text, 2)}\n}`
  return {
    registers: `var logSumExpNext = 0.0;\nvar deltaNext = 0.0;`,
    fetch: (from) =>
      some(`let softmaxRowNext = softmaxRow(batch, head, ${from} * tileColumns + thread);
logSumExpNext = ${subtrahend('softmaxRowNext.x', exact)};
deltaNext = softmaxRowNext.y * gradientScale;`),
    store: (place) =>
      some(`statistics[${place}][thread / 4u][thread % 4u] = logSumExpNext;
statistics[${place}][thread / 4u + ${columns / 4}u][thread % 4u] = deltaNext;`),
  }
}
