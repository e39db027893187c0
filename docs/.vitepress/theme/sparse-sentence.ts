// What the benchmarks page says first of sparse patterns.
import type { SparseReport } from '../../../packages/bench/src/sparse/report.ts'

/** Patterns of the sentence, as it names them. */
const patterns = {
  window: 'a sliding window',
  bigBird: 'BigBird',
  strided: 'strided',
  fixed: 'fixed',
} as const

/** In float32, which every browser computes. Of several reports the one of the most patterns. */
export function sparseSentence(reports: readonly SparseReport[]): string[] {
  const length = 65_536
  const measured = reports
    .filter(({ problem }) => problem.dtype === 'float32')
    .flatMap(({ results }) => results.filter((each) => each.length === length))
    .map(({ results }) =>
      Object.entries(patterns).flatMap(([name, label]) => {
        const ratio = results.find((result) => result.name === name)?.timeRatio
        return ratio === undefined ? [] : [`${label} is ${Number((1 / ratio).toPrecision(2))}×`]
      }),
    )
    .toSorted((a, b) => b.length - a.length)[0]
  if (measured === undefined || measured.length === 0) return []
  const list = new Intl.ListFormat('en-GB').format(measured)
  return [
    `At ${length.toLocaleString('en')} tokens in float32 ${list} as fast as causal ` +
      'attention: tiles that a mask hides are not visited.',
  ]
}
