// `attn io`: the options, and what is left at the end.
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { formatTraffic } from '../io/summary.ts'
import { countTrafficCurves } from '../io/traffic-report.ts'
import { parseLength, parseLengths } from './arguments.ts'

interface IoArguments {
  readonly lengths?: readonly number[]
  readonly headDims?: readonly number[]
  readonly onChip?: number
  readonly crossing?: number
  readonly pass: 'forward' | 'backward' | 'both'
  readonly json?: string
  readonly svg?: string
}

/** Defines the command. */
export function createIoCommand(): Command {
  return new Command('io')
    .description('count the memory traffic of standard and flash attention, without a device')
    .option('--lengths <list>', 'N (default: 256,1k,4k,16k)', parseLengths)
    .option('--head-dims <list>', 'D (default: 64,128)', parseLengths)
    .option('--on-chip <elements>', 'M, elements of fast memory (default: 96k)', parseLength)
    .option('--crossing <length>', 'N of the curves over M (default: 2k)', parseLength)
    .addOption(
      new Option('--pass <which>', 'which pass to count')
        .choices(['forward', 'backward', 'both'])
        .default('forward'),
    )
    .option('--json <file>', 'write the counts to a JSON file')
    .option('--svg <file>', 'draw the curves')
    .action(execute)
}

async function execute(options: IoArguments): Promise<void> {
  const { lengths, headDims, onChip, crossing, pass } = options
  const report = countTrafficCurves({
    pass,
    ...(lengths ? { lengths } : {}),
    ...(headDims ? { headDims } : {}),
    ...(onChip ? { onChipElements: onChip } : {}),
    ...(crossing ? { crossingLength: crossing } : {}),
  })
  process.stdout.write(`${formatTraffic(report)}\n`)
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (options.svg !== undefined) {
    const { drawTraffic } = await import('../io/figure.ts')
    writeFileSync(options.svg, drawTraffic(report))
  }
}
