// node --conditions=attn:source tools/check-kernels.ts [--json FILE]: fails where a kernel that plans can ask for
// was executed by no adapter, or was not by a software adapter here that can execute it. Plans are those of
// the replay corpus, made for the adapters that people have; what was executed is what the last
// `npm test` dispatched here, and what docs/results has of GPUs elsewhere. The page "How it is tested" explains the
// table that it prints, and draws the one that `--json docs/results/kernels.json` writes.
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { readEnvironment } from '../packages/bench/src/cli/environment.ts'
import { isSoftware } from '../packages/webgpu-flash/src/device/software.ts'
import { replayAll } from '../packages/webgpu-flash/test/replay/replay.ts'
import type { ConformanceReport } from './conformance/report.ts'
import type { KernelReport } from './kernels/report.ts'
import {
  coverageProblems,
  missedHere,
  observedKernels,
  outOfReach,
  plannedKernels,
} from './kernels/coverage.ts'
import type { Executed } from './kernels/coverage.ts'
import { kernelNames } from './kernels/kernel-of.ts'
import { repository } from './workspace.ts'

const { values } = parseArgs({ options: { json: { type: 'string' } } })
const observed = join(repository, 'node_modules/.cache/attn/kernels')
const byAdapter = new Map(
  globSync(join(observed, '*.jsonl')).map((file) => [
    basename(file, '.jsonl'),
    observedKernels(readFileSync(file, 'utf8')),
  ]),
)
const here = [...byAdapter].map(([adapter, kernels]): Executed => ({
  where: `${adapter} here`,
  kernels,
}))
// What a software adapter once executed has to be executed still; other machines are not at hand.
const records = globSync(join(repository, 'docs/results/conformance-*.json'))
  .map((file) => ({ file, report: JSON.parse(readFileSync(file, 'utf8')) as ConformanceReport }))
  .filter(({ report: { adapter } }) => adapter && !isSoftware({ adapter }))
  .map(({ file, report }) => recorded(file, report))
const executed = [...here, ...records]
const planned = plannedKernels(await replayAll())

for (const [kernel, adapters] of planned) {
  const places = executed.flatMap(({ where, kernels }) =>
    kernels.has(kernel) ? [`${where} (${kernels.get(kernel)})`] : [],
  )
  const ran = places.join(', ') || outOfReach[kernel] || 'NOWHERE'
  console.log(`${kernel}\n  planned for ${adapters.join(', ')}\n  ran on ${ran}`)
}
if (values.json !== undefined) {
  const report: KernelReport = {
    schema: 'attn-kernels/1',
    created: new Date().toISOString(),
    environment: readEnvironment(),
    places: executed.map(({ where }) => where),
    kernels: [...planned].map(([kernel, plannedFor]) => ({
      kernel,
      plannedFor,
      dispatches: executed.map(({ kernels }) => kernels.get(kernel) ?? 0),
      ...(outOfReach[kernel] === undefined ? {} : { outOfReach: outOfReach[kernel] }),
    })),
  }
  writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`)
}
if (!existsSync(observed)) console.log('*** nothing was observed here: run npm test first ***')
const problems = [
  ...coverageProblems(planned, kernelNames, executed, outOfReach),
  ...missedHere(planned, byAdapter),
]
for (const problem of problems) console.log(`failed: ${problem}`)
console.log(
  `${planned.size} variants of ${kernelNames.length} kernels, ${problems.length} problems`,
)
process.exitCode = problems.length > 0 ? 1 : 0

function recorded(file: string, { results }: ConformanceReport): Executed {
  const kernels = new Map<string, number>()
  for (const [kernel, count] of results.flatMap((result) => Object.entries(result.kernels))) {
    kernels.set(kernel, (kernels.get(kernel) ?? 0) + count)
  }
  return { where: basename(file, '.json'), kernels }
}
