// Read when the site is built: the lecture as `attn lecture --json` stored it.
import { readFileSync } from 'node:fs'
import type { LectureReport } from '../../../packages/bench/src/lecture/run-lecture.ts'
import { lectureFile } from '../results.ts'

declare const data: LectureReport
export { data }

/** @public VitePress calls it. */
export default {
  watch: ['../../results/lecture.json'],
  load(): LectureReport {
    const report = JSON.parse(readFileSync(lectureFile, 'utf8')) as LectureReport
    if (report.schema !== 'attn-lecture/1') {
      throw new Error(
        `docs/results/lecture.json: schema must be attn-lecture/1, got ${String(report.schema)}`,
      )
    }
    return report
  },
}
