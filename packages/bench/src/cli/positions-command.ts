// `attn positions`: the options, and what is left at the end.
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { DeviceKind } from '../device/find-device.ts'
import { positionMethods } from '../positions/problem.ts'
import type { PositionMethod } from '../positions/problem.ts'
import { positionsVerified } from '../report/positions-report.ts'
import { formatPositions, formatPositionsHeader } from '../report/positions-summary.ts'
import { createProgressBar } from '../report/progress.ts'
import { comparePositions } from '../suites/positions.ts'
import { parseChoices } from './arguments.ts'
import { readEnvironment } from './environment.ts'
import { addShapeOptions, samplingOf, shapeOf } from './shape-options.ts'
import type { ShapeArguments } from './shape-options.ts'

interface PositionsArguments extends ShapeArguments {
  readonly device: DeviceKind | 'auto'
  readonly methods?: readonly PositionMethod[]
  readonly backward?: true
  readonly json?: string
  readonly svg?: string
}

/** Defines the command; `setExitCode` gets 1 when a result is wrong. */
export function createPositionsCommand(setExitCode: (code: number) => void): Command {
  const command = new Command('positions')
    .description('verify and time what position methods add to causal attention on this machine')
    .addOption(
      new Option('--device <kind>', 'what to run on')
        .choices(['auto', 'gpu', 'software'])
        .default('auto'),
    )
  return addShapeOptions(command)
    .option(
      '--methods <list>',
      `some of ${positionMethods.join(', ')} (default: all)`,
      parseChoices(positionMethods),
    )
    .option('--backward', 'time training steps, forward and backward, as well')
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
    problem: shapeOf(options),
    ...(options.methods ? { methods: options.methods } : {}),
    backward: options.backward ?? false,
    ...samplingOf(options),
    environment,
    onDevice: (device, problem) =>
      print(`${formatPositionsHeader(device, environment, problem)}\n`),
    onProgress: progress.update,
  }).finally(progress.clear)
  print(formatPositions(report))
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (options.svg !== undefined) {
    // Plotting is loaded where it is wanted.
    const { drawPositions } = await import('../report/positions-plot.ts')
    writeFileSync(options.svg, drawPositions(report))
  }
  const written = [options.json, options.svg].filter((file) => file !== undefined)
  if (written.length > 0) print(`\nwrote ${written.join(' and ')}`)
  return positionsVerified(report)
}
