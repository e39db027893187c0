// `attn doctor`: the options, the findings on the terminal, and the file for a bug report.
import { writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { examine, isHealthy } from '../doctor/doctor.ts'
import { formatDoctor } from '../doctor/format-doctor.ts'
import { readEnvironment } from './environment.ts'

interface DoctorArguments {
  readonly device: 'auto' | 'gpu' | 'software' | 'cpu'
  readonly json?: string | true
}

/** Defines the command; it exits with 1 where a small problem comes out wrong. */
export function createDoctorCommand(setExitCode: (code: number) => void): Command {
  return new Command('doctor')
    .description('say what this machine has, which kernels it gets and why, and check them')
    .addOption(
      new Option('--device <kind>', 'what to examine')
        .choices(['auto', 'gpu', 'software', 'cpu'])
        .default('auto'),
    )
    .option('--json [file]', 'print the findings as JSON, or write them to a file')
    .action(async ({ device, json }: DoctorArguments) => {
      const report = await examine({ device, environment: readEnvironment() })
      const text = JSON.stringify(report, null, 2)
      process.stdout.write(`${json === true ? text : formatDoctor(report)}\n`)
      if (typeof json === 'string') writeFileSync(json, `${text}\n`)
      setExitCode(isHealthy(report) ? 0 : 1)
    })
}
