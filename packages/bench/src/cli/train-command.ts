// `attn train`: the options, what goes to the terminal while it runs, and what is left at the end.
import type { Optional } from '@attn/core'
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { DeviceKind } from '../device/find-device.ts'
import { createProgressBar } from '../report/progress.ts'
import {
  formatTraining,
  formatTrainHeader,
  trainingToJson,
  withinNoise,
} from '../report/train-report.ts'
import { precisions } from '../train/configuration.ts'
import type { TrainingConfiguration } from '../train/configuration.ts'
import { positionMethodNames } from '../lab/positions/methods.ts'
import { integrations, maskNames } from '../train/masks.ts'
import { parseLength, parsePositive, parseRate, parseSeed } from './arguments.ts'
import { readEnvironment } from './environment.ts'

interface TrainArguments extends Optional<TrainingConfiguration> {
  readonly device: DeviceKind | 'auto'
  readonly steps?: number
  readonly text?: string
  readonly compare?: true
  readonly checkpoint?: string
  readonly checkpointEvery: number
  readonly resume?: string
  readonly json?: string
  readonly svg?: string
}

/** Defines the command; `setExitCode` gets 1 when the curves differ by more than noise. */
export function createTrainCommand(setExitCode: (code: number) => void): Command {
  return new Command('train')
    .description(
      'train a small decoder on text with this attention, forward and backward, in the loop',
    )
    .addOption(
      new Option('--device <kind>', 'what to run on (auto: a GPU, else the CPU)')
        .choices(['auto', 'gpu', 'software', 'cpu'])
        .default('auto'),
    )
    .option('--steps <count>', 'steps in all (default: 200 on a GPU, else 100)', parseLength)
    .option('--text <file>', "what to learn (default: TypeScript's declarations, else jax-js's)")
    .addOption(new Option('--mask <name>', 'what queries see (default: causal)').choices(maskNames))
    .option(
      '--extent <count>',
      'keys of the window, stride, dilation, global tokens, random keys, block',
      parseLength,
    )
    .addOption(
      new Option(
        '--integration <way>',
        'how heads of strided and fixed are taken (default: multihead)',
      ).choices(integrations),
    )
    .addOption(
      new Option('--positions <method>', 'where order comes from (default: alibi)').choices(
        positionMethodNames,
      ),
    )
    .option('--dropout <rate>', 'share of the probabilities to drop (default: 0)', parseRate)
    .option('--layers <count>', 'layers (default: 4 on a GPU, else 2)', parseLength)
    .option('--heads <count>', 'heads (default: 4 on a GPU, else 2)', parseLength)
    .option('--width <size>', 'width of all heads (default: 256 on a GPU, else 32)', parseLength)
    .option('--context <length>', 'characters (default: 256 on a GPU, else 64)', parseLength)
    .option('--batch <count>', 'sequences a step (default: 16 on a GPU, else 4)', parseLength)
    .option('--learning-rate <rate>', 'of AdamW (default: 0.003)', parsePositive)
    .addOption(
      new Option(
        '--precision <dtype>',
        'what attention computes in, on a GPU; float16 with loss scaling (default: float32)',
      ).choices(precisions),
    )
    .option('--seed <number>', 'of weights, batches and dropout (default: 1)', parseSeed)
    .option('--compare', "train the same model with jax-js's dense attention, too")
    .option('--checkpoint <file>', 'where to keep the run (default: the file of --resume)')
    .option('--checkpoint-every <steps>', 'steps between checkpoints', parseLength, 100)
    .option('--resume <file>', 'go on from a checkpoint')
    .option('--json <file>', 'write everything, each loss too, to a JSON file')
    .option('--svg <file>', 'draw the loss curves')
    .action(async (options: TrainArguments) => {
      setExitCode((await execute(options)) ? 0 : 1)
    })
}

async function execute(options: TrainArguments): Promise<boolean> {
  // Only this command needs jax-js, which takes a moment to load.
  const [{ train }, { readCheckpoint, writeCheckpoint }, { readCorpus }] = await Promise.all([
    import('../suites/train.ts'),
    import('../train/checkpoint.ts'),
    import('../train/text.ts'),
  ])
  const corpus = readCorpus(options.text)
  const progress = createProgressBar(process.stderr)
  const print = (text: string): void => {
    progress.clear()
    process.stdout.write(`${text}\n`)
  }
  const file = options.checkpoint ?? options.resume
  const report = await train({
    device: options.device,
    corpus,
    configuration: configurationOf(options),
    ...(options.steps === undefined ? {} : { steps: options.steps }),
    ...(options.resume === undefined ? {} : { checkpoint: readCheckpoint(options.resume) }),
    compare: options.compare ?? false,
    checkpointEvery: options.checkpointEvery,
    ...(file === undefined
      ? {}
      : { onCheckpoint: (checkpoint) => writeCheckpoint(file, checkpoint) }),
    environment: readEnvironment(),
    onDevice(device, configuration) {
      const text = `${corpus.name}, ${corpus.tokens.length} characters of ${corpus.vocabulary.length} kinds`
      print(`${formatTrainHeader(device, configuration, text)}\n`)
    },
    onProgress: progress.update,
  }).finally(progress.clear)

  print(formatTraining(report))
  if (options.json !== undefined) writeFileSync(options.json, trainingToJson(report))
  if (options.svg !== undefined) {
    // Plotting is loaded where it is wanted.
    const { drawLosses } = await import('../report/train-plot.ts')
    writeFileSync(options.svg, drawLosses(report))
  }
  const written = [file, options.json, options.svg].filter((name) => name !== undefined)
  if (written.length > 0) print(`\nwrote ${written.join(' and ')}`)
  return withinNoise(report) ?? true
}

const configurationNames = [
  'layers',
  'heads',
  'width',
  'context',
  'batch',
  'mask',
  'extent',
  'integration',
  'positions',
  'dropout',
  'learningRate',
  'precision',
  'seed',
] as const satisfies readonly (keyof TrainingConfiguration)[]

/** What was said about the configuration; nothing for what was not. */
function configurationOf(options: TrainArguments): Optional<TrainingConfiguration> {
  return Object.fromEntries(
    configurationNames.flatMap((name) =>
      options[name] === undefined ? [] : [[name, options[name]]],
    ),
  )
}
