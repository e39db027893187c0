// `attn compare`: a guard against regressions, for scripts as well: its exit code is the verdict.
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { parseComparable } from '../report/comparable.ts'
import { compareReports, formatComparison } from '../report/compare.ts'
import { parsePositive } from './arguments.ts'

/** Defines the command; `setExitCode` gets 1 when something of ours is slower than tolerated. */
export function createCompareCommand(setExitCode: (code: number) => void): Command {
  return new Command('compare')
    .description('compare two JSON files of the same command; exits with 1 where attn got slower')
    .argument('<before>', 'JSON file')
    .argument('<after>', 'JSON file of the same command')
    .option('--tolerance <percent>', 'by how much a time may grow', parsePositive, 10)
    .action((before: string, after: string, { tolerance }: { tolerance: number }) => {
      const read = (file: string): ReturnType<typeof parseComparable> =>
        parseComparable(readFileSync(file, 'utf8'), file)
      const comparison = compareReports(read(before), read(after), tolerance / 100)
      process.stdout.write(`${formatComparison(comparison)}\n`)
      setExitCode(comparison.rows.some(({ regressed }) => regressed) ? 1 : 0)
    })
}
