// The pieces that the lecture is composed of: reports of other commands. One that was given (a file of that
// command) is taken as it is; any other command is run when its report is first asked for, at sizes that suit the
// device, and in a process of its own, so that a driver that fails takes no other piece with it.
import { typeError } from '@attn/core'
import type { DeviceKind } from '../device/find-device.ts'
import type { HierarchyReport } from '../hierarchy/report.ts'
import { countTrafficCurves } from '../io/traffic-report.ts'
import type { TrafficReport } from '../io/traffic-report.ts'
import type { ExtrapolationReport } from '../lab/extrapolate/report.ts'
import type { PatternReport } from '../lab/patterns/compare-patterns.ts'
import type { PartitionReport } from '../partition/report.ts'
import type { PositionsReport } from '../report/positions-report.ts'
import type { RunReport } from '../report/run-report.ts'
import type { SparseReport } from '../sparse/report.ts'

/** Reports by their schema. */
export interface ReportsBySchema {
  readonly 'attn-run/1': RunReport
  readonly 'attn-positions/1': PositionsReport
  readonly 'attn-sparse/1': SparseReport
  readonly 'attn-partition/1': PartitionReport
  readonly 'attn-device/1': HierarchyReport
  readonly 'attn-io/1': TrafficReport
  readonly 'attn-extrapolate/1': ExtrapolationReport
  readonly 'attn-patterns/1': PatternReport
}

/** The name of a layout of a report's file. */
export type ReportSchema = keyof ReportsBySchema

/** Gives reports. */
export interface Reports {
  /**
   * The report of one command; several where several were given.
   *
   * @throws Error, for people, where it cannot be had here.
   */
  all<Schema extends ReportSchema>(schema: Schema): Promise<readonly ReportsBySchema[Schema][]>
  /** Those that were given; runs nothing. */
  given<Schema extends ReportSchema>(schema: Schema): readonly ReportsBySchema[Schema][]
}

/** What to run where nothing was given. */
export interface ReportsOptions {
  /** Kind of the device that the others will find. */
  readonly device: DeviceKind
  readonly full: boolean
  /** Runs an attn command by its words, and gives the JSON that it writes. */
  readonly runCommand: (words: readonly string[]) => Promise<unknown>
  /** Files of commands, parsed. */
  readonly given: readonly unknown[]
  /** Whether to run nothing, and to take what was given alone. */
  readonly givenOnly: boolean
  readonly onRun: (label: string) => void
}

const schemas: readonly ReportSchema[] = [
  'attn-run/1',
  'attn-positions/1',
  'attn-sparse/1',
  'attn-partition/1',
  'attn-device/1',
  'attn-io/1',
  'attn-extrapolate/1',
  'attn-patterns/1',
]

/**
 * Reports, given or run.
 *
 * @throws TypeError for something given that is no report of a command that the lecture uses.
 */
export function createReports(options: ReportsOptions): Reports {
  for (const report of options.given) {
    const schema = schemaOf(report)
    if (!schemas.includes(schema as ReportSchema)) {
      throw typeError(
        `attn lecture: a file must hold a report of ${schemas.join(', ')}, got ${String(schema)}`,
      )
    }
  }
  const made = new Map<ReportSchema, Promise<readonly unknown[]>>()
  const givenOf = (schema: ReportSchema): readonly unknown[] =>
    options.given.filter((report) => schemaOf(report) === schema)
  const make = async (schema: ReportSchema): Promise<readonly unknown[]> => {
    const given = givenOf(schema)
    if (given.length > 0) return given
    if (options.givenOnly && schema !== 'attn-io/1') {
      throw new Error(`no file of a report ${schema} was given`)
    }
    if (schema === 'attn-io/1') {
      options.onRun('counting memory traffic')
      return [countTrafficCurves({ lengths: [256, 1024, 4096, ...(options.full ? [16384] : [])] })]
    }
    const words = commandOf(schema, options.device, options.full)
    options.onRun(`attn ${words.join(' ')}`)
    return [await options.runCommand(words)]
  }
  return {
    given: <Schema extends ReportSchema>(schema: Schema) =>
      givenOf(schema) as readonly ReportsBySchema[Schema][],
    all: <Schema extends ReportSchema>(schema: Schema) => {
      const report = made.get(schema) ?? make(schema)
      made.set(schema, report)
      return report as Promise<readonly ReportsBySchema[Schema][]>
    },
  }
}

function schemaOf(report: unknown): unknown {
  return typeof report === 'object' && report !== null && 'schema' in report
    ? report.schema
    : undefined
}

/** The words of the command that makes a report, at sizes that suit the device; RangeError for people. */
export function commandOf(
  schema: Exclude<ReportSchema, 'attn-io/1'>,
  device: DeviceKind,
  full: boolean,
): readonly string[] {
  const real = device === 'gpu'
  if (schema === 'attn-extrapolate/1' || schema === 'attn-patterns/1') {
    const command = schema === 'attn-patterns/1' ? 'patterns' : 'extrapolate'
    throw new Error(
      `training takes minutes: run attn ${command} --json FILE, then attn lecture --with FILE`,
    )
  }
  if (device === 'cpu' && schema !== 'attn-run/1') {
    throw new Error('needs WebGPU, and this machine has none')
  }
  const words: Readonly<Record<typeof schema, string>> = {
    'attn-run/1': real
      ? `run --backward ${full ? '--memory 40 --lengths 1k,4k,16k' : '--lengths 1k,4k'}`
      : `run ${device === 'cpu' ? '' : '--backward '}--lengths 128,256 --heads 1 --samples 3`,
    'attn-positions/1': real
      ? 'positions --backward --lengths 4096'
      : 'positions --backward --lengths 256 --heads 1 --methods rope,t5,alibi --samples 3',
    'attn-sparse/1': real
      ? `sparse --lengths ${full ? '64k --stride 256' : '16k'}`
      : 'sparse --lengths 512 --heads 1 --head-dim 32 --window 64 --patterns window,strided --rounds 2',
    'attn-partition/1': 'partition',
    'attn-device/1': 'device',
  }
  return words[schema].split(' ')
}
