// Read when the site is built: the result files, checked, without what the page does not show, and
// the account of the method that the README of the bench package gives.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createMarkdownRenderer } from 'vitepress'
import type { PeersReport } from '../../../packages/bench/src/report/peers-report.ts'
import type { PositionsReport } from '../../../packages/bench/src/report/positions-report.ts'
import { parseRunReport } from '../../../packages/bench/src/report/run-report.ts'
import type { TrainReport } from '../../../packages/bench/src/report/train-report.ts'
import type { SparseReport } from '../../../packages/bench/src/sparse/report.ts'
import { resultFiles } from '../results.ts'
import { viewPeers } from './peers-view.ts'
import { viewPositions } from './positions-view.ts'
import type { ReportParts, ReportView } from './report-view.ts'
import { summarizeRun, type RunSummary } from './run-summary.ts'
import { viewSparse } from './sparse-view.ts'
import { viewTraining } from './train-view.ts'

interface Benchmarks {
  readonly runs: readonly RunSummary[]
  /** Reports of other commands. */
  readonly views: readonly ReportView[]
  /** HTML. */
  readonly method: string
}

declare const data: Benchmarks
export { data }

/** @public VitePress calls it. */
export default {
  watch: ['../../results/*.json', '../../../packages/bench/README.md'],
  async load(): Promise<Benchmarks> {
    const found = resultFiles().flatMap(readResult)
    const runs = found.filter((result) => 'configurations' in result).toSorted(inReadingOrder)
    const views = found.filter((result) => 'charts' in result).toSorted(byCommand)
    return { runs, views, method: await readMethod() }
  },
}

/** In the order of the page. */
const viewers: Readonly<
  Record<
    string,
    {
      readonly section: string
      readonly view: (name: string, report: unknown) => ReportParts
    }
  >
> = {
  'attn-peers/1': {
    section: 'Beside other implementations',
    view: (name, report) => viewPeers(name, report as PeersReport),
  },
  'attn-sparse/1': {
    section: 'Sparse patterns',
    view: (name, report) => viewSparse(name, report as SparseReport),
  },
  'attn-positions/1': {
    section: 'Positions',
    view: (name, report) => viewPositions(name, report as PositionsReport),
  },
  'attn-train/1': {
    section: 'Training',
    view: (name, report) => viewTraining(name, report as TrainReport),
  },
}

function byCommand(left: ReportView, right: ReportView): number {
  return left.rank - right.rank || left.name.localeCompare(right.name)
}

/** Records of tiles, which kernels read, and what other pages draw. */
const notDrawn: readonly string[] = [
  'attn-tuning/1',
  'attn-conformance/2',
  'attn-kernels/1',
  'attn-partition/1',
  'attn-device/1',
  'attn-cache/1',
]

function readResult(file: string): RunSummary | ReportView | [] {
  const name = basename(file, '.json')
  const text = readFileSync(file, 'utf8')
  try {
    const report = JSON.parse(text) as { schema?: string } | null
    const schema = String(report?.schema)
    if (schema === 'attn-run/1') return summarizeRun(name, parseRunReport(text))
    if (notDrawn.includes(schema)) return []
    const viewer = Object.hasOwn(viewers, schema) ? viewers[schema] : undefined
    if (viewer) {
      const rank = Object.keys(viewers).indexOf(schema)
      return { ...viewer.view(name, report), section: viewer.section, rank }
    }
    throw new TypeError(`no report of a schema that the page knows, got ${schema}`)
  } catch (error) {
    throw new Error(`docs/results/${name}.json cannot be drawn: ${String(error)}`, { cause: error })
  }
}

/** float32 before float16, small heads before large ones. */
function inReadingOrder(left: RunSummary, right: RunSummary): number {
  const [first, second] = [left.problem, right.problem]
  return (
    second.dtype.localeCompare(first.dtype) ||
    first.headDim - second.headDim ||
    left.name.localeCompare(right.name)
  )
}

async function readMethod(): Promise<string> {
  const docs = fileURLToPath(new URL('../../', import.meta.url))
  const readme = readFileSync(new URL('../../../packages/bench/README.md', import.meta.url), 'utf8')
  const heading = '\n## What it measures, and how\n'
  const [, section] = readme.split(heading)
  if (section === undefined) throw new Error(`packages/bench/README.md lacks a section${heading}`)
  const markdown = await createMarkdownRenderer(docs)
  return markdown.render(section.split('\n## ')[0]!)
}
