// `attn device`: the options, and what is left at the end.
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { DeviceKind } from '../device/find-device.ts'
import { formatHierarchy, runHierarchy } from '../hierarchy/report.ts'
import { createProgressBar } from '../report/progress.ts'
import { readEnvironment } from './environment.ts'

interface DeviceArguments {
  readonly device: DeviceKind | 'auto'
  readonly toggles?: true
  readonly json?: string
  readonly svg?: string
}

/** Defines the command. */
export function createDeviceCommand(): Command {
  return new Command('device')
    .description(
      "measure this device's memory hierarchy and where attention stands under its roofline",
    )
    .addOption(
      new Option('--device <kind>', 'what to measure')
        .choices(['auto', 'gpu', 'software'])
        .default('auto'),
    )
    .option('--toggles', "measure with Dawn's safety checks off, as no browser can")
    .option('--json <file>', 'write everything to a JSON file')
    .option('--svg <file>', 'draw bandwidths and the roofline')
    .action(execute)
}

async function execute(options: DeviceArguments): Promise<void> {
  const progress = createProgressBar(process.stderr)
  const report = await runHierarchy({
    device: options.device,
    toggles: options.toggles ?? false,
    environment: readEnvironment(),
    onProgress: progress.update,
  }).finally(progress.clear)
  process.stdout.write(`${formatHierarchy(report)}\n`)
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (options.svg !== undefined) {
    const { drawHierarchy } = await import('../hierarchy/figure.ts')
    writeFileSync(options.svg, drawHierarchy(report))
  }
}
