// What `extrapolate` compares, and the presets.
import { rangeError } from '@attn/core'
import { checkLabConfiguration, defaultLabConfiguration } from '../configuration.ts'
import type { LabConfiguration } from '../configuration.ts'
import { paperMethods, positionMethodNames } from '../positions/methods.ts'
import type { PositionMethodName } from '../positions/methods.ts'

/** A whole experiment, as plain data. */
export interface ExtrapolationPlan {
  /** Of all models, but for positions and seed. */
  readonly configuration: Omit<LabConfiguration, 'positions' | 'seed'>
  readonly methods: readonly PositionMethodName[]
  readonly seeds: readonly number[]
  /** Lengths of evaluation as parts of L; 1 is among them. */
  readonly multiples: readonly number[]
  /** Held-out tokens, at least; rounded up so that all lengths read the same ones. */
  readonly tokens: number
  /** Whether to evaluate with a window of L keys as well. */
  readonly window: boolean
  /** Multiples of L for windows that slide by one token; none to leave them out. */
  readonly slidingMultiples: readonly number[]
  /** Whether to extend the trained RoPE models without training. Needs `rope` among the methods. */
  readonly scaling: boolean
  /** Steps of fine-tuning at which it is evaluated; none to leave it out. */
  readonly fineTuning: readonly number[]
}

const multiples = [1, 1.25, 1.5, 2, 3, 4, 6, 8, 10]
const { positions: _, seed: __, ...configuration } = defaultLabConfiguration

/** What is done where nothing else is asked for, and everything. */
export const extrapolationPresets: Readonly<Record<'quick' | 'full', ExtrapolationPlan>> = {
  quick: {
    configuration,
    methods: paperMethods,
    seeds: [1, 2, 3],
    multiples,
    tokens: 7680,
    window: true,
    slidingMultiples: [],
    scaling: false,
    fineTuning: [],
  },
  full: {
    configuration,
    methods: positionMethodNames,
    seeds: [1, 2, 3],
    multiples,
    tokens: 7680,
    window: true,
    slidingMultiples: [1, 4, 10],
    scaling: true,
    fineTuning: [0, 25, 50, 100, 200, 400],
  },
}

/** The length of fine-tuning as a part of L. */
export const fineTuningMultiple = 4

/** Lengths of a plan in tokens. */
export function lengthsOf({
  multiples: list,
  configuration: { length },
}: ExtrapolationPlan): number[] {
  return list.map((multiple) => Math.round(multiple * length))
}

/** Held-out tokens of a plan: a multiple of all lengths. */
export function heldOutTokens(plan: ExtrapolationPlan): number {
  const greatest = (a: number, b: number): number => (b === 0 ? a : greatest(b, a % b))
  const least = lengthsOf(plan).reduce((sum, length) => (sum * length) / greatest(sum, length), 1)
  return Math.ceil(plan.tokens / least) * least
}

/**
 * Checks a plan.
 *
 * @throws RangeError for lists that are empty or hold what makes no sense.
 */
export function checkPlan(plan: ExtrapolationPlan): void {
  const { methods, seeds, multiples: list } = plan
  const fail = (rule: string, got: unknown): never => {
    throw rangeError(`extrapolate: ${rule}, got ${String(got)}`)
  }
  for (const [name, values] of Object.entries({ methods, seeds, multiples: list })) {
    if (values.length === 0) fail(`${name} must not be empty`, '[]')
    if (new Set<unknown>(values).size < values.length)
      fail(`${name} must not repeat`, values.join(', '))
  }
  for (const method of methods) {
    if (!positionMethodNames.includes(method)) {
      fail(`methods must be some of ${positionMethodNames.join(', ')}`, method)
    }
  }
  for (const seed of seeds) {
    checkLabConfiguration('extrapolate', { ...plan.configuration, positions: methods[0]!, seed })
  }
  if (!list.includes(1) || list.some((multiple) => !(multiple >= 1 && multiple <= 64))) {
    fail('multiples must lie in 1 .. 64, 1 among them', list.join(', '))
  }
  if ((plan.scaling || plan.fineTuning.length > 0) && !methods.includes('rope')) {
    fail('scaling and fine-tuning need rope among the methods', methods.join(', '))
  }
  if (plan.fineTuning.some((step, index) => !(step > (plan.fineTuning[index - 1] ?? -1)))) {
    fail('fineTuning must hold ascending steps', plan.fineTuning.join(', '))
  }
}
