// `attn tune`: the options, a table on the terminal, and the record that a site ships.
import { writeFileSync } from 'node:fs'
import type { DType } from '@attn/core'
import { Command, Option } from 'commander'
import { createProgressBar } from '../report/progress.ts'
import { runTune } from '../tune/run-tune.ts'
import type { TuneMask } from '../tune/shapes.ts'
import { formatTuning } from '../tune/summary.ts'
import { parseChoices, parseLength, parseLengths, parsePositive } from './arguments.ts'

interface TuneArguments {
  readonly device: 'auto' | 'gpu' | 'software'
  readonly lengths: readonly number[]
  readonly heads: number
  readonly headDims: readonly number[]
  readonly dtypes: readonly DType[]
  readonly masks: readonly TuneMask[]
  readonly training?: true
  readonly candidates?: number
  readonly seconds: number
  readonly json?: string
}

/** Defines the command. */
export function createTuneCommand(): Command {
  return new Command('tune')
    .description('measure the tiles of the usual shapes, and write what a site ships as JSON')
    .addOption(
      new Option('--device <kind>', 'what to run on')
        .choices(['auto', 'gpu', 'software'])
        .default('auto'),
    )
    .option(
      '--lengths <list>',
      'queries of a call; those of 16 at most are decoding steps over 4096 keys',
      parseLengths,
      [1, 64, 256, 1024, 4096, 16384],
    )
    .option('--heads <count>', 'heads', parseLength, 16)
    .option('--head-dims <list>', 'dims of a head', parseLengths, [64, 128])
    .option('--dtypes <list>', 'element types', parseChoices(['float32', 'float16']), [
      'float32',
      'float16',
    ])
    .option('--masks <list>', 'none, causal or both', parseChoices(['none', 'causal']), [
      'none',
      'causal',
    ])
    .option('--training', 'tune the backward kernels as well')
    .option('--candidates <count>', 'candidates for each kernel (default: all)', parseLength)
    .option('--seconds <limit>', 'of measuring, for each kernel of each shape', parsePositive, 3)
    .option('--json <file>', 'write the record')
    .action(async (options: TuneArguments) => execute(options))
}

async function execute(options: TuneArguments): Promise<void> {
  const { device, lengths, heads, headDims, dtypes, masks, training = false } = options
  const progress = createProgressBar(process.stderr)
  const print = (text: string): void => {
    progress.clear()
    process.stdout.write(`${text}\n`)
  }
  const record = await runTune({
    device,
    problem: { heads, headDims, dtypes, lengths, masks, training },
    budgetMilliseconds: options.seconds * 1000,
    ...(options.candidates === undefined ? {} : { candidates: options.candidates }),
    onDevice: ({ name, description }, shapes) =>
      print(`Tiles for ${shapes} shapes on ${name}${description ? ` (${description})` : ''}\n`),
    onProgress: ({ done, label }) =>
      progress.update({ done: Math.floor(1000 * done), total: 1000, label }),
  }).finally(progress.clear)
  print(formatTuning(record))
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(record)}\n`)
    print(`\nwrote ${options.json}`)
  }
}
