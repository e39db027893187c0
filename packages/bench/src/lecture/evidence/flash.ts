// The third part of the lecture: memory and FlashAttention.
import { drawHierarchy } from '../../hierarchy/figure.ts'
import { cacheBandwidth, memoryBandwidth } from '../../hierarchy/report.ts'
import { drawTraffic } from '../../io/figure.ts'
import { drawPartition } from '../../partition/figure.ts'
import { partitionTime } from '../../partition/summary.ts'
import { formatBytes, formatLength, threeDigits } from '../../report/format.ts'
import type { RunReport } from '../../report/run-report.ts'
import { drawChart } from '../../report/svg.ts'
import { drawSparse } from '../../sparse/svg.ts'
import type { LengthResult } from '../../suites/outcome.ts'
import type { Evidence, LectureContext, Topic } from '../claim.ts'
import { notRun } from '../claim.ts'

async function hierarchy({ reports }: LectureContext): Promise<Evidence> {
  const [report] = await reports.all('attn-device/1')
  const { device, workgroupBytesPerSecond, operationsPerSecond } = report!
  const memory = memoryBandwidth(report!)
  const ridge = operationsPerSecond.float32 / memory
  // A softmax does about five operations on what it reads and writes once each.
  const softmax = 5 / 8
  const software = device.kind !== 'gpu'
  return {
    ran: `copies by size, reads of workgroup memory and multiply-adds on ${device.name}`,
    found:
      `memory ${formatBytes(memory)}/s, the fastest cache ${formatBytes(cacheBandwidth(report!))}/s, workgroup memory ` +
      `${formatBytes(workgroupBytesPerSecond)}/s, ${threeDigits(operationsPerSecond.float32 / 1e12)} TFLOP/s: memory-bound ` +
      `below ${threeDigits(ridge)} operations a byte, and a softmax has ${softmax}`,
    verdict: ridge > softmax ? (software ? 'holds within limits' : 'holds') : 'does not hold here',
    ...(software ? { why: 'an adapter in software has no on-chip memory of its own' } : {}),
    figures: [{ caption: 'Bandwidths and the roofline', svg: drawHierarchy(report!) }],
  }
}

async function traffic({ reports }: LectureContext): Promise<Evidence> {
  const [report] = await reports.all('attn-io/1')
  const { crossings, constants } = report!
  return {
    ran: 'memory traffic counted from the schedules that run, by N, D and M',
    found:
      `standard attention ${threeDigits(constants.standard)} (N d + N²), FlashAttention ${threeDigits(constants.keysOutside)} N² d² / M, ` +
      `FlashAttention-2 ${threeDigits(constants.queriesOutside)} N² d² / M; less than standard from M = ` +
      crossings
        .map(({ keysOutside, headDim }) => `${threeDigits(keysOutside)} d² (d = ${headDim})`)
        .join(', '),
    verdict: 'holds within limits',
    why: '"M > d² many times" means about three times: below that FlashAttention moves more',
    figures: [{ caption: 'Traffic over M and over N', svg: drawTraffic(report!) }],
  }
}

interface Pair {
  readonly length: number
  readonly forward: number
  readonly both?: number
}

/** How many times less time flash attention takes than standard attention. */
function speedUps(results: readonly LengthResult[]): Pair[] {
  return results.flatMap(({ length, outcomes: { standard, flash } }) => {
    if (standard.status === 'skipped' || flash.status === 'skipped') return []
    const [before, after] = [standard.backward, flash.backward]
    const steps = before?.status === 'measured' && after?.status === 'measured'
    return [
      {
        length,
        forward: standard.time.median / flash.time.median,
        ...(steps ? { both: before.both.median / after.both.median } : {}),
      },
    ]
  })
}

/** Runs on GPUs where there are some: those of software say nothing about time. */
async function runs({ reports }: LectureContext, backward = false): Promise<readonly RunReport[]> {
  const all = (await reports.all('attn-run/1')).filter(
    ({ configurations }) => !backward || configurations[0]!.results.some(hasBackward),
  )
  const real = all.filter(({ configurations }) => configurations[0]!.device.kind === 'gpu')
  return real.length > 0 ? real : all
}

const hasBackward = ({ outcomes: { flash } }: LengthResult): boolean =>
  flash.status === 'measured' && flash.backward?.status === 'measured'

const where = ({ configurations, problem }: RunReport): string =>
  `${problem.dtype}, ${problem.heads} heads of dim ${problem.headDim}, on ${configurations[0]!.device.name}`

async function faster(context: LectureContext): Promise<Evidence> {
  const all = await runs(context)
  const pairs = all.flatMap(({ configurations }) => speedUps(configurations[0]!.results))
  const [most, least] = [
    Math.max(...pairs.map(({ forward }) => forward)),
    Math.min(...pairs.map(({ forward }) => forward)),
  ]
  const device = all[0]!.configurations[0]!.device
  return {
    ran: `standard and flash attention, verified, ${all.map(where).join('; ')}`,
    found: pairs
      .map(
        ({ length, forward, both }) =>
          `${formatLength(length)}: forward ${threeDigits(forward)}x` +
          (both === undefined ? '' : `, forward and backward ${threeDigits(both)}x`),
      )
      .join('; '),
    verdict: least >= 1.15 ? 'holds' : most > 1 ? 'holds within limits' : 'does not hold here',
    ...(device.kind === 'gpu'
      ? { why: "attention alone; the lecture's factors are of whole training runs" }
      : { why: 'without a GPU there is no memory hierarchy to save on' }),
    figures: all.slice(0, 2).map((report) => ({ caption: where(report), svg: drawChart(report) })),
  }
}

async function linear(context: LectureContext): Promise<Evidence> {
  const [report] = await runs(context)
  const { results } = report!.configurations[0]!
  const bytes = (method: 'standard' | 'flash'): { length: number; bytes: number }[] =>
    results.flatMap(({ length, outcomes }) => {
      const outcome = outcomes[method]
      return outcome.status === 'measured' ? [{ length, bytes: outcome.memoryBytes }] : []
    })
  const exponent = (rows: readonly { length: number; bytes: number }[]): number => {
    const [first, last] = [rows[0]!, rows.at(-1)!]
    return Math.log(last.bytes / first.bytes) / Math.log(last.length / first.length)
  }
  const [standard, flash] = [bytes('standard'), bytes('flash')]
  if (flash.length < 2 || standard.length < 2) return notRun('needs two lengths')
  const [quadratic, grows] = [exponent(standard), exponent(flash)]
  return {
    ran: `memory beside inputs and output, ${where(report!)}`,
    found:
      `standard N^${quadratic.toFixed(2)} (${formatBytes(standard.at(-1)!.bytes)} at ${formatLength(standard.at(-1)!.length)}), ` +
      `flash N^${grows.toFixed(2)} (${formatBytes(flash.at(-1)!.bytes)} at ${formatLength(flash.at(-1)!.length)})`,
    verdict: grows < 1.1 ? 'holds' : 'does not hold here',
  }
}

async function blockSparse({ reports }: LectureContext): Promise<Evidence> {
  const all = await reports.all('attn-sparse/1')
  const [report] = all.toSorted(
    (a, b) => b.results[0]!.results.length - a.results[0]!.results.length,
  )
  const { device, problem, results } = report!
  const { length, results: patterns } = results.at(-1)!
  const factors = patterns.map(({ label, timeRatio, workRatio }) => ({
    text: `${label}: ${threeDigits(1 / timeRatio)}x at ${threeDigits(100 * workRatio)} % of the tiles`,
    factor: 1 / timeRatio,
  }))
  return {
    ran: `patterns against causal flash attention at ${formatLength(length)}, ${problem.heads} heads, verified, on ${device.name}`,
    found: factors.map(({ text }) => text).join('; '),
    verdict: factors.some(({ factor }) => factor >= 2) ? 'holds' : 'does not hold here',
    why: 'how much faster follows the share of tiles that are left, and is not limited to 4 times',
    figures: [{ caption: 'Times and shares of work', svg: drawSparse(report!) }],
  }
}

async function recomputed(context: LectureContext): Promise<Evidence> {
  const all = await runs(context, true)
  const [report] = all
  const rows = all.flatMap(({ configurations }) =>
    configurations[0]!.results.flatMap(({ length, outcomes: { standard, flash } }) => {
      const after = flash.status === 'measured' ? flash.backward : undefined
      if (after?.status !== 'measured') return []
      const before = standard.status === 'measured' ? standard.backward : undefined
      return [{ length, after, before: before?.status === 'measured' ? before : undefined }]
    }),
  )
  if (rows.length === 0) return notRun('backward passes are timed on WebGPU, which is not here')
  const faster = rows.some(({ before, after }) => before && before.time.median > after.time.median)
  return {
    ran: `a backward pass that stores P and dP beside one that computes them again, verified, ${where(report!)}`,
    found: rows
      .map(({ length, before, after }) => {
        const stored = before
          ? `${threeDigits(before.time.median)} ms and ${formatBytes(before.memoryBytes)} stored, `
          : ''
        return `${formatLength(length)}: ${stored}${threeDigits(after.time.median)} ms and ${formatBytes(after.memoryBytes)} computed again`
      })
      .join('; '),
    verdict: 'holds within limits',
    why:
      (faster
        ? 'memory falls to a few bytes a row'
        : 'memory falls to a few bytes a row, time does not fall here') +
      '; it takes several kernels, since no workgroup has all keys and all queries, and WebGPU has no float atomics',
  }
}

async function partition({ reports }: LectureContext): Promise<Evidence> {
  const [report] = await reports.all('attn-partition/1')
  const { device, headDim, results } = report!
  const factors = results.flatMap((result) => {
    const [before, after] = (['keysOutside', 'queryTiles'] as const).map((each) =>
      partitionTime(result, each),
    )
    return before && after ? [{ ...result, factor: before / after }] : []
  })
  const few = factors.filter(
    ({ heads }) => heads === Math.min(...factors.map((each) => each.heads)),
  )
  const many = factors.filter(
    ({ heads }) => heads === Math.max(...factors.map((each) => each.heads)),
  )
  const rangeOf = (rows: readonly { readonly factor: number }[]): string => {
    const all = rows.map(({ factor }) => factor)
    return `${threeDigits(Math.min(...all))} to ${threeDigits(Math.max(...all))} times`
  }
  const best = Math.max(...factors.map(({ factor }) => factor))
  return {
    ran: `the same tiles (float32, dim ${headDim}) with keys outside and a workgroup a head, and with a workgroup a query tile, verified, on ${device.name}`,
    found: `${rangeOf(few)} faster with ${few[0]!.heads} head(s), ${rangeOf(many)} with ${many[0]!.heads}`,
    verdict: best >= 1.5 ? 'holds within limits' : 'does not hold here',
    why:
      device.kind === 'gpu'
        ? 'the factor is that of idle processors: large with few heads, and what is left with many is the traffic of partial outputs'
        : 'an adapter in software has two processors, which one head keeps busy',
    figures: [{ caption: 'Partitions by heads and length', svg: drawPartition(report!) }],
  }
}

/** Claims 20 to 26. */
export const flashTopic: Topic = {
  name: 'flash',
  examinations: {
    20: hierarchy,
    21: traffic,
    22: faster,
    23: linear,
    24: blockSparse,
    25: recomputed,
    26: partition,
  },
}
