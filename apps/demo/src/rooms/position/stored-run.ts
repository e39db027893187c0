// The stored run of `attn extrapolate`, for those who will not wait: perplexity by length, one seed a method.
import report from '../../../../../docs/results/lab/extrapolate.json'

export interface StoredCurve {
  readonly method: string
  readonly perplexities: readonly number[]
}

/** Whose weights the page has; `stored-weights.ts` loads them. */
export const storedMethods = ['sinusoidal', 'learned', 'rope', 't5', 'alibi'] as const

export const storedLengths: readonly number[] = report.lengths
export const storedCurves: readonly StoredCurve[] = report.models
  .filter(({ seed }) => seed === 1)
  .map(({ method, perplexities }) => ({ method, perplexities }))
export const storedSetting = `${report.text.name}, ${report.plan.configuration.steps} steps at ${report.plan.configuration.length} tokens`
