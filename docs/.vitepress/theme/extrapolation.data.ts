// Read when the site is built: what `attn extrapolate` found, drawn as the command draws it, and the tables of
// the papers.
import { readFileSync } from 'node:fs'
import { drawExtrapolation } from '../../../packages/bench/src/lab/extrapolate/figure.ts'
import { drawPapers } from '../../../packages/bench/src/lab/extrapolate/paper-figure.ts'
import {
  alibiTable,
  fineTuningTable,
  interpolationTable,
} from '../../../packages/bench/src/lab/extrapolate/paper.ts'
import type { PaperTable } from '../../../packages/bench/src/lab/extrapolate/paper.ts'
import type { ExtrapolationReport } from '../../../packages/bench/src/lab/extrapolate/report.ts'
import { formatExtrapolation } from '../../../packages/bench/src/lab/extrapolate/summary.ts'

interface ExtrapolationPage {
  /** Where and how it was made. */
  readonly setting: string
  /** SVG. */
  readonly figure: string
  readonly tables: string
  readonly papers: readonly PaperTable[]
  /** SVG. */
  readonly papersFigure: string
}

declare const data: ExtrapolationPage
export { data }

const file = new URL('../../results/lab/extrapolate.json', import.meta.url)

/** @public VitePress calls it. */
export default {
  watch: ['../../results/lab/extrapolate.json'],
  load(): ExtrapolationPage {
    const report = JSON.parse(readFileSync(file, 'utf8')) as ExtrapolationReport
    const { environment, device, plan, text } = report
    const { layers, width, heads, length, batch, steps } = plan.configuration
    return {
      setting:
        `${device} on ${environment.processor ?? environment.platform}, ${environment.runtime}; ` +
        `${layers} layers of width ${width}, ${heads} heads, ${steps} steps of ${batch} x ${length} characters of ` +
        `${text.name}, seeds ${plan.seeds.join(', ')}; ${text.heldOut} held-out characters`,
      figure: drawExtrapolation(report),
      tables: formatExtrapolation(report),
      papers: [alibiTable, interpolationTable, fineTuningTable],
      papersFigure: drawPapers(plan.methods),
    }
  },
}
