// `attn cache`: the options, and what is left at the end.
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { runCache } from '../cache/run-cache.ts'
import { formatCache } from '../cache/summary.ts'
import type { DeviceKind } from '../device/find-device.ts'
import { createProgressBar } from '../report/progress.ts'
import { parseLength, parseLengths } from './arguments.ts'
import { readEnvironment } from './environment.ts'

interface CacheArguments {
  readonly errors: boolean
  readonly times: boolean
  readonly lengths?: readonly number[]
  readonly device: DeviceKind | 'auto'
  readonly batch?: number
  readonly heads?: number
  readonly kvHeads?: number
  readonly keyLength?: number
  readonly headDim?: number
  readonly valueDim?: number
  readonly tiles: boolean
  readonly matrices: boolean
  readonly json?: string
}

/** Defines the command. */
export function createCacheCommand(): Command {
  return new Command('cache')
    .description('what caches of keys and values cost: quantised, in rings, in pages')
    .option('--no-errors', 'leave out the errors of quantised keys and values')
    .option('--no-times', 'leave out the times')
    .option('--lengths <list>', 'tokens to measure errors at (default: 1k to 128k)', parseLengths)
    .addOption(
      new Option('--device <kind>', 'what to time on')
        .choices(['auto', 'gpu', 'software'])
        .default('auto'),
    )
    .option('--batch <count>', 'sequences (default: 8)', parseLength)
    .option('--heads <count>', 'query heads (default: 32)', parseLength)
    .option('--kv-heads <count>', 'key heads (default: 8)', parseLength)
    .option('--key-length <count>', 'tokens of a sequence (default: 16k)', parseLength)
    .option('--head-dim <count>', 'a multiple of 32 (default: 128)', parseLength)
    .option('--value-dim <count>', 'likewise (default: that of keys)', parseLength)
    .option('--tiles', "also with tiles besides the planner's", false)
    .option('--no-matrices', 'time it as where there are no subgroup matrices')
    .option('--json <file>', 'write everything, each sample too, to a JSON file')
    .action(execute)
}

async function execute(options: CacheArguments): Promise<void> {
  const { device, tiles, matrices, json, batch, heads, kvHeads, keyLength, headDim, valueDim } =
    options
  const progress = createProgressBar(process.stderr)
  const sizes = Object.entries({ batch, heads, kvHeads, keyLength, headDim, valueDim })
  const report = await runCache({
    errors: options.errors ? options.lengths : [],
    times: options.times,
    device,
    tiles,
    matrices,
    shape: Object.fromEntries(sizes.filter(([, size]) => size !== undefined)),
    environment: readEnvironment(),
    onProgress: progress.update,
  }).finally(progress.clear)
  process.stdout.write(`${formatCache(report)}\n`)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`)
}
