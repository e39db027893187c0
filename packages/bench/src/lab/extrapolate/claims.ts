// What the lecture and its papers say of extrapolation, asked of a report: whether it holds in every seed.
import type { PositionMethodName } from '../positions/methods.ts'
import { positionMethodTitles } from '../positions/methods.ts'
import type { ExtrapolationModel, ExtrapolationReport } from './report.ts'

/** A statement, and whether the report bears it out. */
export interface ExtrapolationClaim {
  readonly claim: string
  readonly holds: boolean
  /** What was found, seed by seed. */
  readonly found: string
}

/** Perplexity at a multiple of L over that at L; undefined where the multiple was not evaluated. */
export function growth(
  { plan }: Pick<ExtrapolationReport, 'plan'>,
  { perplexities }: Pick<ExtrapolationModel, 'perplexities'>,
  multiple: number,
): number | undefined {
  const place = plan.multiples.indexOf(multiple)
  return place < 0 ? undefined : perplexities[place]! / perplexities[plan.multiples.indexOf(1)]!
}

/** The greatest evaluated multiple of L up to which perplexity stays within 5 % of that at L, in all seeds. */
export function reachOf(report: ExtrapolationReport, method: PositionMethodName): number {
  const models = report.models.filter((model) => model.method === method)
  let reach = 1
  for (const multiple of report.plan.multiples.toSorted((a, b) => a - b)) {
    if (models.some((model) => growth(report, model, multiple)! > 1.05)) break
    reach = multiple
  }
  return reach
}

/** The statements that the methods of a report allow to ask. */
export function extrapolationClaims(report: ExtrapolationReport): ExtrapolationClaim[] {
  const ask = (
    claim: string,
    method: PositionMethodName,
    value: (model: ExtrapolationModel) => number | undefined,
    holds: (value: number) => boolean,
  ): ExtrapolationClaim[] => {
    const values = report.models.filter((model) => model.method === method).map(value)
    const known = values.filter((each) => each !== undefined)
    if (known.length === 0) return []
    return [
      {
        claim: `${positionMethodTitles[method]}: ${claim}`,
        holds: known.every(holds),
        found: known.map((each) => `${each.toFixed(3)}x`).join(', '),
      },
    ]
  }
  const at = (multiple: number) => (model: ExtrapolationModel) => growth(report, model, multiple)
  const windowedAt = (multiple: number) => (model: ExtrapolationModel) => {
    const { windowed: perplexities } = model
    return perplexities.length === 0 ? undefined : growth(report, { perplexities }, multiple)
  }
  return [
    ...ask('at 4 L at least twice its perplexity at L', 'sinusoidal', at(4), (x) => x >= 2),
    ...ask('at 4 L at most 5 % above L', 'alibi', at(4), (x) => x <= 1.05),
    ...ask('at 10 L at most 5 % above L', 'alibi', at(10), (x) => x <= 1.05),
    ...ask('at 1.25 L at most 10 % above L', 'rope', at(1.25), (x) => x <= 1.1),
    ...ask('at 4 L at least 50 % above L', 'rope', at(4), (x) => x >= 1.5),
    ...ask('at 2 L at most 5 % above L', 't5', at(2), (x) => x <= 1.05),
    ...ask(
      'with a window of L keys at 4 L at most 5 % above L',
      'rope',
      windowedAt(4),
      (x) => x <= 1.05,
    ),
    ...ask(
      'with a window of L keys at 4 L still at least twice L',
      'sinusoidal',
      windowedAt(4),
      (x) => x >= 2,
    ),
  ]
}
