#!/usr/bin/env node
// The attn command. Exit codes: 0 all right, 1 a wrong result or a failure, 2 wrong arguments.
import { Command, CommanderError } from 'commander'
import { ownVersion } from './cli/environment.ts'
import { createCacheCommand } from './cli/cache-command.ts'
import { createCompareCommand } from './cli/compare-command.ts'
import { createDoctorCommand } from './cli/doctor-command.ts'
import { createDeviceCommand } from './cli/device-command.ts'
import { createIoCommand } from './cli/io-command.ts'
import { createLectureCommand } from './cli/lecture-command.ts'
import { createPartitionCommand } from './cli/partition-command.ts'
import { createExtrapolateCommand } from './cli/extrapolate-command.ts'
import { createPatternsCommand } from './cli/patterns-command.ts'
import { createPeersCommand } from './cli/peers-command.ts'
import { createPositionsCommand } from './cli/positions-command.ts'
import { createRunCommand } from './cli/run-command.ts'
import { createSparseCommand } from './cli/sparse-command.ts'
import { createTrainCommand } from './cli/train-command.ts'
import { createTuneCommand } from './cli/tune-command.ts'

const setExitCode = (code: number): void => {
  process.exitCode = code
}
const program = new Command('attn')
  .description('Efficient attention for TypeScript: exact, sparse and position-aware.')
  .version(ownVersion())
  .addCommand(createDoctorCommand(setExitCode))
  .addCommand(createRunCommand(setExitCode))
  .addCommand(createPositionsCommand(setExitCode))
  .addCommand(createSparseCommand(setExitCode))
  .addCommand(createLectureCommand())
  .addCommand(createIoCommand())
  .addCommand(createDeviceCommand())
  .addCommand(createPartitionCommand(setExitCode))
  .addCommand(createTrainCommand(setExitCode))
  .addCommand(createExtrapolateCommand(setExitCode))
  .addCommand(createPatternsCommand(setExitCode))
  .addCommand(createCacheCommand())
  .addCommand(createTuneCommand())
  .addCommand(createPeersCommand(setExitCode))
  .addCommand(createCompareCommand(setExitCode))
  .exitOverride()
  .showHelpAfterError('(attn --help, attn run --help and attn train --help say what there is)')
for (const command of program.commands) command.copyInheritedSettings(program)

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version are thrown as well, with code 0; commander has printed its message.
    process.exitCode = error.exitCode === 0 ? 0 : 2
  } else {
    process.stderr.write(`attn: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = error instanceof RangeError || error instanceof TypeError ? 2 : 1
  }
}
