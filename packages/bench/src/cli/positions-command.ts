// `attn positions`: the options, and what is left at the end.
import { writeFileSync } from 'node:fs'
import type { DType } from '@attn/core'
import { Command, Option } from 'commander'
import type { DeviceKind } from '../device/find-device.ts'
import { positionMethods } from '../positions/problem.ts'
import type { PositionMethod, PositionProblem } from '../positions/problem.ts'
import { drawPositions } from '../report/positions-plot.ts'
import { positionsVerified } from '../report/positions-report.ts'
import { formatPositions, formatPositionsHeader } from '../report/positions-summary.ts'
import { createProgressBar } from '../report/progress.ts'
import { comparePositions } from '../suites/positions.ts'
import { parseChoices, parseLength, parseLengths } from './arguments.ts'
import { readEnvironment } from './environment.ts'

interface PositionsArguments {
  readonly device: DeviceKind | 'auto'
  readonly lengths?: readonly number[]
  readonly batch?: number
  readonly heads?: number
  readonly headDim?: number
  readonly dtype?: DType
  readonly methods?: readonly PositionMethod[]
  readonly samples?: number
  readonly json?: string
  readonly svg?: string
}

/** Defines the command; `setExitCode` gets 1 when a result is wrong. */
export function createPositionsCommand(setExitCode: (code: number) => void): Command {
  return new Command('positions')
    .description('verify and time what position methods add to causal attention on this machine')
    .addOption(
      new Option('--device <kind>', 'what to run on')
        .choices(['auto', 'gpu', 'software'])
        .default('auto'),
    )
    .option('--lengths <list>', 'sequence lengths, such as 1k,2k,4096', parseLengths)
    .option('--batch <count>', 'sequences (default: 1)', parseLength)
    .option('--heads <count>', 'heads (default: 16 on a GPU, else 2)', parseLength)
    .option('--head-dim <size>', 'dims of a head, a multiple of 4 (default: 64)', parseLength)
    .addOption(new Option('--dtype <type>', 'element type').choices(['float32', 'float16']))
    .option(
      '--methods <list>',
      `some of ${positionMethods.join(', ')} (default: all)`,
      parseChoices(positionMethods),
    )
    .option('--samples <count>', 'timings per figure (default: 10, 5 without a GPU)', parseLength)
    .option('--json <file>', 'write everything, each sample too, to a JSON file')
    .option('--svg <file>', 'draw overheads and times')
    .action(async (options: PositionsArguments) => {
      setExitCode((await execute(options)) ? 0 : 1)
    })
}

async function execute(options: PositionsArguments): Promise<boolean> {
  const environment = readEnvironment()
  const progress = createProgressBar(process.stderr)
  const print = (text: string): void => {
    progress.clear()
    process.stdout.write(`${text}\n`)
  }
  const report = await comparePositions({
    device: options.device,
    problem: problemOf(options),
    ...(options.methods ? { methods: options.methods } : {}),
    ...(options.samples === undefined ? {} : { measure: { samples: options.samples } }),
    environment,
    onDevice: (device, problem) =>
      print(`${formatPositionsHeader(device, environment, problem)}\n`),
    onProgress: progress.update,
  }).finally(progress.clear)
  print(formatPositions(report))
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (options.svg !== undefined) writeFileSync(options.svg, drawPositions(report))
  const written = [options.json, options.svg].filter((file) => file !== undefined)
  if (written.length > 0) print(`\nwrote ${written.join(' and ')}`)
  return positionsVerified(report)
}

function problemOf(options: PositionsArguments): Partial<PositionProblem> {
  const { lengths, batch, heads, headDim, dtype } = options
  return {
    ...(lengths ? { lengths } : {}),
    ...(batch ? { batch } : {}),
    ...(heads ? { heads } : {}),
    ...(headDim ? { headDim } : {}),
    ...(dtype ? { dtype } : {}),
  }
}
