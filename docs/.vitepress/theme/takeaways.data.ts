// Read when the site is built: what the home page and the benchmarks page say first.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { PeersReport } from '../../../packages/bench/src/report/peers-report.ts'
import { parseRunReport } from '../../../packages/bench/src/report/run-report.ts'
import type { SparseReport } from '../../../packages/bench/src/sparse/report.ts'
import { resultFiles } from '../results.ts'
import { takeawaysOf, type Takeaways } from './takeaways.ts'

declare const data: Takeaways
export { data }

/** @public VitePress calls it. */
export default {
  watch: ['../../results/*.json'],
  load(): Takeaways {
    const files = resultFiles().map((file) => {
      const text = readFileSync(file, 'utf8')
      return { name: basename(file), text, report: JSON.parse(text) as { schema?: string } }
    })
    const reportsOf = (schema: string): unknown[] =>
      files.filter(({ report }) => report.schema === schema).map(({ report }) => report)
    return takeawaysOf({
      runs: files
        .filter(({ name, report }) => report.schema === 'attn-run/1' && !name.includes('backward'))
        .map(({ text }) => parseRunReport(text)),
      peers: reportsOf('attn-peers/1') as PeersReport[],
      sparse: reportsOf('attn-sparse/1') as SparseReport[],
    })
  },
}
