// Claims of the lecture that something has to be trained for: evidence from reports of the laboratory.
import { drawExtrapolation } from '../../lab/extrapolate/figure.ts'
import { growth, reachOf } from '../../lab/extrapolate/claims.ts'
import { spreadOf } from '../../lab/extrapolate/report.ts'
import type { ExtrapolationReport } from '../../lab/extrapolate/report.ts'
import type { PositionMethodName } from '../../lab/positions/methods.ts'
import { positionMethodTitles } from '../../lab/positions/methods.ts'
import type { Evidence, LectureContext, Topic } from '../claim.ts'
import { notRun } from '../claim.ts'
import { trainedPatterns } from './trained-patterns.ts'

async function reportOf({ reports }: LectureContext): Promise<ExtrapolationReport> {
  return (await reports.all('attn-extrapolate/1'))[0]!
}

const ran = ({ plan: { configuration, seeds }, text }: ExtrapolationReport): string =>
  `decoders of ${configuration.layers} layers and width ${configuration.width} trained at L = ${configuration.length} on ${text.name}, ${seeds.length} seed(s)`

/** Mean perplexity at a multiple of L over that at L. */
function meanGrowth(
  report: ExtrapolationReport,
  method: PositionMethodName,
  multiple: number,
): number | undefined {
  const values = report.models
    .filter((model) => model.method === method)
    .map((model) => growth(report, model, multiple))
    .filter((each) => each !== undefined)
  return values.length === 0 ? undefined : spreadOf(values).mean
}

const times = (value: number | undefined): string =>
  value === undefined ? 'not measured' : `${value.toFixed(2)} times`

async function curves(context: LectureContext): Promise<Evidence> {
  const report = await reportOf(context)
  const rows = report.plan.methods.map((method) => ({
    method,
    at: meanGrowth(report, method, 4),
  }))
  const [sinusoidal, alibi] = (['sinusoidal', 'alibi'] as const).map((method) =>
    meanGrowth(report, method, 4),
  )
  const order = sinusoidal !== undefined && alibi !== undefined && sinusoidal > 2 * alibi
  return {
    ran: ran(report),
    found: `perplexity at 4 L over that at L: ${rows.map(({ method, at }) => `${positionMethodTitles[method]} ${times(at)}`).join(', ')}`,
    verdict: order ? 'holds' : 'does not hold here',
    figures: [{ caption: 'Perplexity by length', svg: drawExtrapolation(report) }],
  }
}

async function reach(context: LectureContext): Promise<Evidence> {
  const report = await reportOf(context)
  const asked = (['sinusoidal', 'rope', 't5'] as const).filter((method) =>
    report.plan.methods.includes(method),
  )
  const found = asked.map((method) => ({ method, reach: reachOf(report, method) }))
  const ascending = found.every(
    ({ reach: each }, index) => index === 0 || each >= found[index - 1]!.reach,
  )
  return {
    ran: `${ran(report)}; the longest length within 5 % of the perplexity at L, in every seed`,
    found: found
      .map(({ method, reach: each }) => `${positionMethodTitles[method]} ${each} L`)
      .join(', '),
    verdict: ascending ? 'holds within limits' : 'does not hold here',
    why: 'the order is that of the paper; how far depends on the size of the model and on L',
  }
}

async function alibiReach(context: LectureContext): Promise<Evidence> {
  const report = await reportOf(context)
  const multiples = report.plan.multiples.filter((multiple) => multiple >= 1)
  const at = multiples.map((multiple) => ({
    multiple,
    growth: meanGrowth(report, 'alibi', multiple),
  }))
  const known = at.filter((each) => each.growth !== undefined)
  if (known.length === 0) return notRun('the report has no ALiBi models')
  const best = known.toSorted((a, b) => a.growth! - b.growth!)[0]!
  const far = known.at(-1)!
  return {
    ran: ran(report),
    found: `best at ${best.multiple} L (${times(best.growth)} that at L), ${times(far.growth)} at ${far.multiple} L`,
    verdict: far.growth! <= 1.05 ? 'holds within limits' : 'does not hold here',
    why: 'a flat curve: longer windows leave fewer tokens with little context; "best at 2 L" is one of the paper\'s two data sets',
  }
}

async function fineTuned(context: LectureContext): Promise<Evidence> {
  const report = await reportOf(context)
  if (report.fineTuning.length === 0) return notRun('the report has no fine-tuning: --preset full')
  const ends = (['interpolation', 'direct'] as const).map((name) => {
    const curves = report.fineTuning.filter((curve) => curve.name === name)
    const [longer, original] = [0, 1].map(
      (place) => spreadOf(curves.map(({ perplexities }) => perplexities.at(-1)![place]!)).mean,
    )
    return { name, longer: longer!, original: original! }
  })
  const base = spreadOf(
    report.models
      .filter(({ method }) => method === 'rope')
      .map(({ perplexities }) => perplexities[report.plan.multiples.indexOf(1)]!),
  ).mean
  const cost = ends[0]!.original / base - 1
  return {
    ran: `${ran(report)}; RoPE fine-tuned at 4 L for ${report.plan.fineTuning.at(-1)} steps`,
    found:
      ends
        .map(
          ({ name, longer, original }) =>
            `${name}: ${longer.toFixed(2)} at 4 L, ${original.toFixed(2)} at L`,
        )
        .join('; ') + `; before: ${base.toFixed(2)} at L`,
    verdict: cost <= 0.02 ? 'holds' : 'holds within limits',
    why: `at toy scale it costs ${(100 * cost).toFixed(1)} % within L; in the paper's own tables BoolQ falls by 3.8 %`,
  }
}

async function zeroShot(context: LectureContext): Promise<Evidence> {
  const report = await reportOf(context)
  if (report.scaling.length === 0) return notRun('the report has no scaled models: --preset full')
  const { multiples } = report.plan
  const at = multiples.indexOf(2)
  if (at < 0) return notRun('the report has no evaluation at 2 L')
  const base = spreadOf(
    report.models
      .filter(({ method }) => method === 'rope')
      .map(({ perplexities }) => perplexities[multiples.indexOf(1)]!),
  ).mean
  const names = [...new Set(report.scaling.map(({ name }) => name))]
  const found = names.map((name) => ({
    name,
    ratio:
      spreadOf(
        report.scaling.filter((each) => each.name === name).map((each) => each.perplexities[at]!),
      ).mean / base,
  }))
  const best = Math.min(...found.map(({ ratio }) => ratio))
  return {
    ran: `${ran(report)}; RoPE scaled without training, read at 2 L`,
    found: found.map(({ name, ratio }) => `${name} ${ratio.toFixed(2)} times`).join(', '),
    verdict: best <= 1.1 ? 'holds' : 'holds within limits',
    why: 'perplexity over that at L without scaling; interpolation alone needs fine-tuning',
  }
}

/** Claims 10, 11, 14, 18 and 19; those on sparse patterns are in trained-patterns.ts. */
export const laboratoryTopic: Topic = {
  name: 'laboratory',
  examinations: {
    ...trainedPatterns,
    10: curves,
    11: reach,
    14: alibiReach,
    18: fineTuned,
    19: zeroShot,
  },
}
