// `attn lecture`: the options, what goes to the terminal while it runs, and what is left at the end.
import { typeError } from '@attn/core'
import { readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { commandRunner } from '../lecture/run-command.ts'
import { createProgressBar } from '../report/progress.ts'
import { parsePositive } from './arguments.ts'
import { readEnvironment } from './environment.ts'

interface LectureArguments {
  readonly full?: true
  readonly only?: readonly string[]
  readonly with?: readonly string[]
  readonly givenOnly?: true
  readonly seconds?: number
  readonly html?: string
  readonly json?: string
}

/** Defines the command. */
export function createLectureCommand(): Command {
  return new Command('lecture')
    .description('run a lecture on efficient attention: every claim, what was run, what came out')
    .option('--full', 'longer runs, for a GPU')
    .option(
      '--only <list>',
      'topics (patterns, positions, flash, laboratory) or numbers of claims',
      (words: string) => words.split(',').map((word) => word.trim()),
    )
    .option(
      '--with <files...>',
      'JSON files of other attn commands, taken as they are instead of running those',
    )
    .option('--given-only', 'run nothing on a device: take what --with gives')
    .option(
      '--seconds <limit>',
      'end what runs on a device after so long (default: 150, with --full never)',
      parsePositive,
    )
    .option('--html <file>', 'write one page with every figure')
    .option('--json <file>', 'write rows and figures to a JSON file')
    .action(execute)
}

async function execute(options: LectureArguments): Promise<void> {
  // Only this command needs all of it at once.
  const { runLecture } = await import('../lecture/run-lecture.ts')
  const { formatLecture, formatRow } = await import('../lecture/summary.ts')
  const progress = createProgressBar(process.stderr)
  const print = (text: string): void => {
    progress.clear()
    process.stdout.write(`${text}\n`)
  }
  const report = await runLecture({
    runCommand: commandRunner(process.argv[1]!, options.seconds ?? (options.full ? Infinity : 150)),
    full: options.full ?? false,
    given: (options.with ?? []).map(readReport),
    givenOnly: options.givenOnly ?? false,
    ...(options.only ? { only: options.only } : {}),
    environment: readEnvironment(),
    onProgress: progress.update,
    onRow: (row) => print(formatRow(row)),
  }).finally(progress.clear)
  print(formatLecture(report))
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (options.html !== undefined) {
    const { lectureHtml } = await import('../lecture/html.ts')
    writeFileSync(options.html, lectureHtml(report))
  }
  const written = [options.json, options.html].filter((file) => file !== undefined)
  if (written.length > 0) print(`\nwrote ${written.join(' and ')}`)
}

function readReport(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw typeError(`attn lecture: ${file} must be a JSON file of an attn command`, 'ATTN_TYPE', {
      cause: error,
    })
  }
}
