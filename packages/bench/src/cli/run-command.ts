// `attn run`: the options, what goes to the terminal while it runs, and what is left at the end.
import type { Optional } from '@attn/core'
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { DeviceKind } from '../device/find-device.ts'
import { createProgressBar } from '../report/progress.ts'
import { allVerified, toJson } from '../report/run-report.ts'
import { formatConfiguration, formatFlags, formatHeader } from '../report/summary.ts'
import { run } from '../suites/run.ts'
import type { Problem } from '../suites/problem.ts'
import { parseLength, parsePositive } from './arguments.ts'
import { readEnvironment } from './environment.ts'
import { addShapeOptions, samplingOf, shapeOf } from './shape-options.ts'
import type { ShapeArguments } from './shape-options.ts'

interface RunArguments extends ShapeArguments {
  readonly device: DeviceKind | 'auto'
  readonly causal?: true
  readonly window?: number
  readonly backward?: true
  readonly stable?: true
  readonly toggles?: true
  readonly memory: number
  readonly seconds: number
  readonly json?: string
  readonly svg?: string
}

/** Defines the command; `setExitCode` gets 1 when a result is wrong. */
export function createRunCommand(setExitCode: (code: number) => void): Command {
  const command = new Command('run')
    .description('verify and time standard, flash and block-sparse flash attention on this machine')
    .addOption(
      new Option('--device <kind>', 'what to run on')
        .choices(['auto', 'gpu', 'software', 'cpu'])
        .default('auto'),
    )
  return addShapeOptions(command)
    .option('--causal', 'hide later keys from standard and flash attention')
    .option(
      '--window <keys>',
      'keys that each query of the window sees (default: 512, without a GPU 128 or 64)',
      parseLength,
    )
    .option('--backward', 'verify and time backward passes as well, on WebGPU')
    .option(
      '--stable',
      'measure once more without the features that browsers keep behind a flag (subgroup matrices)',
    )
    .option('--toggles', "measure once more with Dawn's safety checks off, as no browser can")
    .option(
      '--memory <GiB>',
      'scores of standard attention that exceed this are not tried',
      parsePositive,
      2,
    )
    .option('--seconds <limit>', 'skip what would take longer per run', parsePositive, 5)
    .option('--json <file>', 'write everything, each sample too, to a JSON file')
    .option('--svg <file>', 'draw the times as a chart')
    .action(async (options: RunArguments) => {
      setExitCode((await execute(options)) ? 0 : 1)
    })
}

async function execute(options: RunArguments): Promise<boolean> {
  const environment = readEnvironment()
  const progress = createProgressBar(process.stderr)
  const print = (text: string): void => {
    progress.clear()
    process.stdout.write(`${text}\n`)
  }
  let configurations = 0
  const report = await run({
    device: options.device,
    stable: options.stable ?? false,
    toggles: options.toggles ?? false,
    backward: options.backward ?? false,
    problem: problemOf(options),
    memoryBytes: options.memory * 2 ** 30,
    seconds: options.seconds,
    ...samplingOf(options),
    environment,
    onDevice(device, problem) {
      const first = configurations++ === 0
      if (first) print(`${formatHeader(device, environment, problem)}\n`)
    },
    onProgress: progress.update,
  }).finally(progress.clear)

  for (const [index, configuration] of report.configurations.entries()) {
    if (index > 0) print(`\n${formatFlags(configuration.device).join('\n')}\n`)
    print(formatConfiguration(configuration, report.problem))
  }
  if (options.json !== undefined) writeFileSync(options.json, toJson(report))
  if (options.svg !== undefined) {
    // Plotting is loaded where it is wanted.
    const { drawChart } = await import('../report/svg.ts')
    writeFileSync(options.svg, drawChart(report))
  }
  const written = [options.json, options.svg].filter((file) => file !== undefined)
  if (written.length > 0) print(`\nwrote ${written.join(' and ')}`)
  return allVerified(report)
}

function problemOf(options: RunArguments): Optional<Problem> {
  const { causal, window } = options
  return {
    ...shapeOf(options),
    ...(causal ? { causal } : {}),
    ...(window ? { window } : {}),
  }
}
