// `attn sparse`: sparse patterns against causal flash attention, over lengths.
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { createProgressBar } from '../report/progress.ts'
import { formatLength } from '../report/format.ts'
import { measureFlex } from '../sparse/flex.ts'
import { patternNames } from '../sparse/patterns.ts'
import type { PatternName } from '../sparse/patterns.ts'
import { allRowsVerified } from '../sparse/report.ts'
import type { SparseReport } from '../sparse/report.ts'
import { runSparse } from '../sparse/run-sparse.ts'
import { formatSparse } from '../sparse/summary.ts'
import { parseChoices, parseLength, parseLengths, parsePositive } from './arguments.ts'
import { readEnvironment } from './environment.ts'

interface SparseArguments {
  readonly device: 'auto' | 'gpu' | 'software'
  readonly lengths: readonly number[]
  readonly heads: number
  readonly headDim: number
  readonly dtype: 'float32' | 'float16'
  readonly window: number
  readonly stride?: number
  readonly patterns?: readonly PatternName[]
  readonly backward?: true
  readonly flex?: true
  readonly flexSeconds: number
  readonly toggles?: true
  readonly rounds: number
  readonly seconds: number
  readonly json?: string
  readonly svg?: string
}

/** Defines the command; `setExitCode` gets 1 when a result is wrong. */
export function createSparseCommand(setExitCode: (code: number) => void): Command {
  return new Command('sparse')
    .description('verify and time sparse patterns against causal flash attention')
    .addOption(
      new Option('--device <kind>', 'what to run on')
        .choices(['auto', 'gpu', 'software'])
        .default('auto'),
    )
    .option('--lengths <list>', 'multiples of 64', parseLengths, [
      4096,
      16384,
      65536,
      262144,
      2 ** 20,
    ])
    .option('--heads <count>', 'heads', parseLength, 8)
    .option('--head-dim <size>', 'dims of a head, a multiple of 4', parseLength, 64)
    .addOption(
      new Option('--dtype <type>', 'element type')
        .choices(['float32', 'float16'])
        .default('float32'),
    )
    .option('--window <keys>', 'keys that each query of the window sees', parseLength, 1024)
    .option('--stride <l>', 'l of strided and fixed (default: the root of the length)', parseLength)
    .option(
      '--patterns <list>',
      `some of ${patternNames.join(', ')} (default: all)`,
      parseChoices(patternNames),
    )
    .option('--backward', 'verify and time the backward passes too')
    .option(
      '--flex',
      "also measure PyTorch's FlexAttention, with a python3 that has torch and CUDA",
    )
    .option('--flex-seconds <limit>', 'end FlexAttention after so long', parsePositive, 120)
    .option('--toggles', "measure with Dawn's safety checks off, as no browser can")
    .option('--rounds <count>', 'timings of each, in turn', parseLength, 7)
    .option(
      '--seconds <limit>',
      'causal attention runs on fewer heads where it would take longer, or not at all',
      parsePositive,
      1,
    )
    .option('--json <file>', 'write everything, each sample too, to a JSON file')
    .option('--svg <file>', 'draw times and quotients as charts')
    .action(async (options: SparseArguments) => {
      setExitCode((await execute(options)) ? 0 : 1)
    })
}

async function execute(options: SparseArguments): Promise<boolean> {
  const { device, lengths, heads, headDim, dtype, window, stride, patterns, rounds } = options
  const progress = createProgressBar(process.stderr)
  const parameters = { window, ...(stride === undefined ? {} : { stride }) }
  const measured = await runSparse({
    device,
    toggles: options.toggles ?? false,
    lengths,
    heads,
    headDim,
    dtype,
    seconds: options.seconds,
    backward: options.backward ?? false,
    ...parameters,
    ...(patterns ? { patterns } : {}),
    contest: { rounds },
    environment: readEnvironment(),
    onLength: (length, done) =>
      progress.update({ done, total: lengths.length, label: `length ${formatLength(length)}` }),
  }).finally(progress.clear)
  const write = (report: SparseReport): void => {
    if (options.json !== undefined) {
      writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
    }
  }
  // Ours is kept whatever becomes of FlexAttention, which may take its time.
  write(measured)
  const report = options.flex ? await addFlex(measured) : measured
  process.stdout.write(`${formatSparse(report)}\n`)
  write(report)
  if (options.svg !== undefined) {
    // Plotting is loaded where it is wanted.
    const { drawSparse } = await import('../sparse/svg.ts')
    writeFileSync(options.svg, drawSparse(report))
  }
  return allRowsVerified(report)

  async function addFlex(ours: SparseReport): Promise<SparseReport> {
    const total = ours.results.reduce((sum, { results }) => sum + results.length + 1, 0)
    const flex = await measureFlex(ours, {
      seconds: options.flexSeconds,
      rounds,
      ...parameters,
      onReport: (soFar) => {
        progress.update({ done: soFar.times.length, total, label: 'FlexAttention' })
        write({ ...ours, flex: soFar })
      },
    }).finally(progress.clear)
    return { ...ours, flex }
  }
}
