// `attn partition`: the options, and what is left at the end.
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { DeviceKind } from '../device/find-device.ts'
import { partitionsVerified } from '../partition/report.ts'
import { runPartition } from '../partition/run-partition.ts'
import { formatPartition } from '../partition/summary.ts'
import { createProgressBar } from '../report/progress.ts'
import { parseLength, parseLengths, parsePositive } from './arguments.ts'
import { readEnvironment } from './environment.ts'

interface PartitionArguments {
  readonly device: DeviceKind | 'auto'
  readonly heads?: readonly number[]
  readonly lengths?: readonly number[]
  readonly headDim?: number
  readonly seconds: number
  readonly json?: string
  readonly svg?: string
}

/** Defines the command; `setExitCode` gets 1 when a result is wrong. */
export function createPartitionCommand(setExitCode: (code: number) => void): Command {
  return new Command('partition')
    .description("time the same tiles of attention in three partitions: FlashAttention-2's claim")
    .addOption(
      new Option('--device <kind>', 'what to run on')
        .choices(['auto', 'gpu', 'software'])
        .default('auto'),
    )
    .option('--heads <list>', 'heads over all sequences (default: 1,8,32,128)', parseLengths)
    .option('--lengths <list>', 'sequence lengths (default: 512,2k,8k,16k)', parseLengths)
    .option('--head-dim <size>', 'a multiple of 4, at most 64 (default: 64)', parseLength)
    .option('--seconds <limit>', 'skip what would take longer per run', parsePositive, 1)
    .option('--json <file>', 'write everything, each sample too, to a JSON file')
    .option('--svg <file>', 'draw times and quotients')
    .action(async (options: PartitionArguments) => {
      setExitCode((await execute(options)) ? 0 : 1)
    })
}

async function execute(options: PartitionArguments): Promise<boolean> {
  const { device, heads, lengths, headDim, seconds } = options
  const progress = createProgressBar(process.stderr)
  const report = await runPartition({
    device,
    seconds,
    ...(heads ? { heads } : {}),
    ...(lengths ? { lengths } : {}),
    ...(headDim ? { headDim } : {}),
    environment: readEnvironment(),
    onProgress: progress.update,
  }).finally(progress.clear)
  process.stdout.write(`${formatPartition(report)}\n`)
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (options.svg !== undefined) {
    const { drawPartition } = await import('../partition/figure.ts')
    writeFileSync(options.svg, drawPartition(report))
  }
  return partitionsVerified(report)
}
