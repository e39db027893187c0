// `attn peers`: the options, and what goes to the terminal.
import { writeFileSync } from 'node:fs'
import type { DType, Optional } from '@attn/core'
import { Command, Option } from 'commander'
import { browserEquivalent, unchecked } from '../device/dawn-flags.ts'
import { installPeers, peersFolder } from '../peers/installed.ts'
import type { PeerMask } from '../peers/peer.ts'
import { peerEntries, peerEntry } from '../peers/registry.ts'
import type { PeerName } from '../peers/registry.ts'
import { oursAgree } from '../report/peers-report.ts'
import type { PeerRow, PeersReport } from '../report/peers-report.ts'
import { formatPeerRows, formatPeersHeader } from '../report/peers-summary.ts'
import { createProgressBar } from '../report/progress.ts'
import type { PeerProblem } from '../suites/peer-shapes.ts'
import { runPeers } from '../suites/run-peers.ts'
import type { PeerDawnFlags } from '../suites/run-peers.ts'
import { parseChoices, parseLength, parseLengths, parsePositive } from './arguments.ts'
import { readEnvironment } from './environment.ts'

interface PeersArguments {
  readonly device: 'auto' | 'gpu' | 'software'
  readonly peers: readonly PeerName[]
  readonly install?: true
  readonly lengths?: readonly number[]
  readonly decode?: readonly number[]
  readonly batch?: number
  readonly heads?: number
  readonly kvHeads?: number
  readonly headDims?: readonly number[]
  readonly dtypes?: readonly DType[]
  readonly masks?: readonly PeerMask[]
  readonly window?: number
  readonly flags: 'both' | PeerDawnFlags['name']
  readonly rounds: number
  readonly warmUp: number
  readonly memory: number
  readonly seconds: number
  readonly budget: number
  readonly json?: string
  readonly svg?: string
  readonly backward?: true
}

const others = peerEntries.map(({ name }) => name).filter((name) => name !== 'attn')

/** Peers, or none. */
const parsePeers = (words: string): PeerName[] =>
  words === 'none' ? [] : parseChoices(others)(words)

/** Lengths, or none. */
const parseNone = (words: string): number[] => (words === 'none' ? [] : parseLengths(words))

/** Defines the command; `setExitCode` gets 1 when one of our own results is wrong. */
export function createPeersCommand(setExitCode: (code: number) => void): Command {
  return new Command('peers')
    .description('time attention beside other implementations on the same device')
    .addOption(
      new Option('--device <kind>', 'what to run on')
        .choices(['auto', 'gpu', 'software'])
        .default('auto'),
    )
    .option('--peers <list>', `of ${others.join(', ')}; or none`, parsePeers, others)
    .option('--install', `install the peers with npm first, into ${peersFolder()}`)
    .option('--lengths <list>', 'sequence lengths, such as 1k,4k; or none', parseNone)
    .option('--decode <list>', 'keys for a single query, such as 4k,16k; or none', parseNone)
    .option('--batch <count>', 'sequences (default: 1)', parseLength)
    .option('--heads <count>', 'heads (default: 16 on a GPU, else 4)', parseLength)
    .option('--kv-heads <count>', 'heads of keys and values (default: as many)', parseLength)
    .option('--head-dims <list>', 'dims of a head, such as 64,128', parseLengths)
    .option('--dtypes <list>', 'float32,float16', parseChoices(['float32', 'float16']))
    .option('--masks <list>', 'full,causal,window', parseChoices(['full', 'causal', 'window']))
    .option('--backward', 'a forward and a backward pass a call; attn and PyTorch have them here')
    .option('--window <keys>', 'keys that each query of the window sees', parseLength)
    .addOption(
      new Option('--flags <which>', "a browser's, or without Dawn's safety checks")
        .choices(['both', 'browser-equivalent', 'unchecked'])
        .default('both'),
    )
    .option('--rounds <count>', 'turns of everyone per problem', parseLength, 5)
    .option('--warm-up <seconds>', 'per problem, all together', parsePositive, 1)
    .option(
      '--memory <GiB>',
      'scores of unfused attention that exceed this are not tried',
      parsePositive,
      2,
    )
    .option('--seconds <limit>', 'that the turns of one may take per problem', parsePositive, 1)
    .option('--budget <seconds>', 'begin nothing further after so long', parsePositive, 3600)
    .option('--json <file>', 'write everything, each sample too, to a JSON file')
    .option('--svg <file>', 'draw the speeds as a chart')
    .action(async (options: PeersArguments) => {
      setExitCode((await execute(options)) ? 0 : 1)
    })
}

async function execute(options: PeersArguments): Promise<boolean> {
  const folder = peersFolder()
  const progress = createProgressBar(process.stderr)
  const print = (text: string): void => {
    progress.clear()
    process.stdout.write(`${text}\n`)
  }
  if (options.install) {
    const packages = options.peers.flatMap((name) => peerEntry(name).packages)
    print(`installing ${packages.join(' ')} into ${folder}`)
    if (packages.length > 0) await installPeers(folder, packages)
  }
  let opened: Omit<PeersReport, 'rows'> | undefined
  const measured: PeerRow[] = []
  const write = (report: PeersReport): void => {
    if (options.json === undefined) return
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  const report = await runPeers({
    device: options.device,
    peers: options.peers,
    flags: [browserEquivalent, unchecked].filter(
      ({ name }) => options.flags === 'both' || options.flags === name,
    ),
    problem: problemOf(options),
    contest: {
      rounds: options.rounds,
      warmUpMilliseconds: options.warmUp * 1000,
      budgetMilliseconds: options.seconds * 1000,
    },
    memoryBytes: options.memory * 2 ** 30,
    budgetSeconds: options.budget,
    folder,
    environment: readEnvironment(),
    onOpen(header) {
      opened = header
      print(formatPeersHeader(header))
    },
    onRows(rows) {
      measured.push(...rows)
      print(`\n${formatPeerRows(rows, opened!.ceilings)}`)
      // Kept whatever becomes of the problems that follow.
      write({ ...opened!, rows: measured })
    },
    onProgress: progress.update,
    onNote: print,
  }).finally(progress.clear)
  write(report)
  if (options.svg !== undefined) {
    // Plotting is loaded where it is wanted.
    const { drawPeersChart } = await import('../report/peers-svg.ts')
    writeFileSync(options.svg, drawPeersChart(report))
  }
  const written = [options.json, options.svg].filter((file) => file !== undefined)
  if (written.length > 0) print(`\nwrote ${written.join(' and ')}`)
  return oursAgree(report)
}

function problemOf(options: PeersArguments): Optional<PeerProblem> {
  const { lengths, decode, batch, heads, kvHeads, headDims, dtypes, masks, window } = options
  return {
    ...(lengths ? { lengths } : {}),
    ...(decode ? { decodeLengths: decode } : {}),
    ...(batch ? { batch } : {}),
    ...(heads ? { heads } : {}),
    ...(kvHeads ? { kvHeads } : {}),
    ...(headDims ? { headDims } : {}),
    ...(dtypes ? { dtypes } : {}),
    ...(masks ? { masks } : {}),
    ...(options.backward ? { backward: true } : {}),
    ...(window ? { window } : {}),
  }
}
