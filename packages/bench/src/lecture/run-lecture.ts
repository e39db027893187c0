// `attn lecture`: goes through the claims in the order of the lecture, and gathers the evidence of each.
import { rangeError } from '@attn/core'
import { browserEquivalent } from '../device/dawn-flags.ts'
import { findDevice } from '../device/find-device.ts'
import type { DeviceReport } from '../device/find-device.ts'
import type { Environment } from '../report/run-report.ts'
import type { Progress } from '../suites/outcome.ts'
import { notRun } from './claim.ts'
import type { LectureRow, Topic } from './claim.ts'
import { claims } from './claims.ts'
import { flashTopic } from './evidence/flash.ts'
import { laboratoryTopic } from './evidence/laboratory.ts'
import { patternTopic } from './evidence/patterns.ts'
import { positionTopic } from './evidence/positions.ts'
import { createReports } from './reports.ts'

/** The parts of the lecture. */
export const topics: readonly Topic[] = [patternTopic, positionTopic, flashTopic, laboratoryTopic]

/** What to run. */
export interface LectureOptions {
  /** Longer runs, for a GPU. Default: false. */
  readonly full?: boolean
  /** Names of topics or numbers of claims. Default: all. */
  readonly only?: readonly (string | number)[]
  /** Reports of other commands, parsed, to be taken instead of running those. Default: none. */
  readonly given?: readonly unknown[]
  /** Runs nothing on a device: claims for which no report was given are not run. Default: false. */
  readonly givenOnly?: boolean
  /** Runs an attn command by its words, and gives the JSON that it writes. */
  readonly runCommand: (words: readonly string[]) => Promise<unknown>
  readonly environment: Environment
  readonly onProgress?: (progress: Progress) => void
  /** Told of each claim as soon as it has its evidence. */
  readonly onRow?: (row: LectureRow) => void
}

/** The JSON file. */
export interface LectureReport {
  readonly schema: 'attn-lecture/1'
  readonly created: string
  readonly environment: Environment
  /** What was found here; reports that were given name their own. */
  readonly device: Pick<DeviceReport, 'kind' | 'name' | 'description'>
  readonly full: boolean
  readonly seconds: number
  readonly rows: readonly LectureRow[]
}

/**
 * Runs the lecture. What fails becomes a row that says so.
 *
 * @throws RangeError for topics and numbers that are not there, TypeError for something given that is no
 *   report.
 */
export async function runLecture(options: LectureOptions): Promise<LectureReport> {
  const { full = false, only, given = [], givenOnly = false, environment } = options
  const wanted = numbersOf(only)
  const created = new Date().toISOString()
  const started = performance.now()
  const found = await findDevice({ kind: 'auto', flags: browserEquivalent })
  const { kind, name, description } = found.report
  const chosen = claims.filter(({ number }) => wanted.has(number))
  let done = 0
  const progress = (label: string): void =>
    options.onProgress?.({ done, total: chosen.length, label })
  const reports = createReports({
    device: kind,
    full,
    given,
    givenOnly,
    runCommand: options.runCommand,
    onRun: progress,
  })
  const rows: LectureRow[] = []
  for (const claim of chosen) {
    progress(claim.slide)
    const examine = topics
      .map(({ examinations }) => examinations[claim.number])
      .find((each) => each !== undefined)
    const evidence = examine
      ? await examine({ reports, full }).catch((error: unknown) =>
          notRun(error instanceof Error ? error.message : String(error)),
        )
      : notRun('nothing examines it')
    const row = { ...claim, ...evidence }
    rows.push(row)
    options.onRow?.(row)
    done++
  }
  found.release()
  const seconds = (performance.now() - started) / 1000
  const device = { kind, name, description }
  return { schema: 'attn-lecture/1', created, environment, device, full, seconds, rows }
}

/** The claims that are asked for by topic or by number. */
function numbersOf(only: LectureOptions['only']): ReadonlySet<number> {
  if (only === undefined) return new Set(claims.map(({ number }) => number))
  const numbers = only.flatMap((word) => {
    const topic = topics.find(({ name }) => name === word)
    if (topic) return Object.keys(topic.examinations).map(Number)
    const number = Number(word)
    if (claims.some((claim) => claim.number === number)) return [number]
    const names = topics.map(({ name }) => name).join(', ')
    throw rangeError(
      `attn lecture: only must name ${names} or claims from 1 to ${claims.length}, got ${word}`,
    )
  })
  return new Set(numbers)
}
