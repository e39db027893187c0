// What decides a rotary embedding, as plain data: the geometry of the heads and how the frequencies
// are changed to reach past the training length. `ropeFrequencies` turns it into numbers.
import { checkOptions, rangeError } from '@attn/core'
import type { OptionNames, RotaryLayout } from '@attn/core'

/** What every kind of rotary embedding has. */
export interface RopeShape {
  /** D: width of a query or key head. */
  readonly headDim: number
  /** Pair j of d = rotaryDim elements turns by base^(-2j / d) radians per position. Default: 10000. */
  readonly base?: number | undefined
  /** How many leading elements rotate (partial rotary). Even. Default: headDim. */
  readonly rotaryDim?: number | undefined
  /** Which elements are pairs. Default: `half`, as in Llama and most of Hugging Face. */
  readonly layout?: RotaryLayout | undefined
}

/** RoPE as published (arXiv 2104.09864). */
export interface DefaultRope extends RopeShape {
  readonly type?: 'default' | undefined
}

/** Position Interpolation: positions m become m / factor (arXiv 2306.15595). */
export interface LinearRope extends RopeShape {
  readonly type: 'linear'
  /** L' / L: target length over training length. */
  readonly factor: number
}

/** NTK-aware scaling: a larger base, fixed (bloc97 2023; YaRN, arXiv 2309.00071, section 3.1). */
export interface NtkRope extends RopeShape {
  readonly type: 'ntk'
  readonly factor: number
}

/**
 * Dynamic NTK: the base grows with the current sequence length, and nothing changes up to the
 * training length (arXiv 2309.00071, section 3.3). Keys must be cached before rotation.
 */
export interface DynamicRope extends RopeShape {
  readonly type: 'dynamic'
  readonly factor: number
  /** L: length the model was trained on. */
  readonly trainedLength: number
}

/** NTK-by-parts as the YaRN paper defines it (arXiv 2309.00071, definition 2). */
export interface ByPartsRope extends RopeShape {
  readonly type: 'by-parts'
  readonly factor: number
  readonly trainedLength: number
  /** Pairs with at most so many turns inside L are interpolated in full. Default: 1. */
  readonly alpha?: number | undefined
  /** Pairs with at least so many turns inside L are left alone. Default: 32. */
  readonly beta?: number | undefined
}

/** YaRN as its code and every checkpoint has it (arXiv 2309.00071); see {@link yarnRamp}. */
export interface YarnRope extends RopeShape {
  readonly type: 'yarn'
  readonly factor: number
  readonly trainedLength: number
  /** Turns inside L from which on a pair is left alone. Default: 32. */
  readonly betaFast?: number | undefined
  /** Turns inside L below which a pair is interpolated in full. Default: 1. */
  readonly betaSlow?: number | undefined
  /** Whether the ramp's ends are rounded outwards to whole pairs. Default: true. */
  readonly truncate?: boolean | undefined
  /** Factor on cosine and sine instead of the one that follows from the next two. */
  readonly attentionFactor?: number | undefined
  /** DeepSeek's numerator; counts only together with `mscaleAllDim`. */
  readonly mscale?: number | undefined
  /** DeepSeek's denominator; its square also belongs into the softmax scale, see {@link yarnScoreScale}. */
  readonly mscaleAllDim?: number | undefined
  /**
   * Whether the model's softmax scale has that square: DeepSeek and its kin. Others carry
   * `mscale_all_dim` in their files and scale cosine and sine only. Default: true.
   */
  readonly scalesScores?: boolean | undefined
}

/** Llama 3.1's scaling (arXiv 2407.21783), which is NTK-by-parts with other constants. */
export interface Llama3Rope extends RopeShape {
  readonly type: 'llama3'
  readonly factor: number
  readonly trainedLength: number
  /** Default: 1. */
  readonly lowFrequencyFactor?: number | undefined
  /** Default: 4. */
  readonly highFrequencyFactor?: number | undefined
}

/** LongRoPE: a searched factor for every pair, one list up to L and one beyond (arXiv 2402.13753). */
export interface LongRope extends RopeShape {
  readonly type: 'longrope'
  readonly trainedLength: number
  /** rotaryDim / 2 factors for sequences up to `trainedLength`. */
  readonly shortFactor: ArrayLike<number>
  /** rotaryDim / 2 factors for longer ones. */
  readonly longFactor: ArrayLike<number>
  /** L' / L, which the attention factor follows from. */
  readonly factor: number
  /** Factor on cosine and sine. Default: sqrt(1 + ln factor / ln trainedLength). */
  readonly attentionFactor?: number | undefined
  /** The same up to `trainedLength` only (Phi-3.5-MoE). Default: `attentionFactor`. */
  readonly shortAttentionFactor?: number | undefined
  /** The same beyond `trainedLength` only. Default: `attentionFactor`. */
  readonly longAttentionFactor?: number | undefined
}

/**
 * p-RoPE: only the fastest pairs turn, the slow ones carry no position (arXiv 2410.06205). Hugging
 * Face calls it `proportional`. Unlike `rotaryDim`, frequencies stay those of the full head.
 */
export interface ProportionalRope extends RopeShape {
  readonly type: 'proportional'
  /** p: fraction of the pairs that turn; 0 is no position at all, 1 is RoPE. */
  readonly fraction: number
  /** Divides the frequencies, as in `linear`. Default: 1. */
  readonly factor?: number | undefined
}

/** Every kind of rotary embedding; `type` says which. */
export type RopeConfig =
  | DefaultRope
  | LinearRope
  | NtkRope
  | DynamicRope
  | ByPartsRope
  | YarnRope
  | Llama3Rope
  | LongRope
  | ProportionalRope

/** Geometry with defaults filled in. */
export interface ResolvedRopeShape {
  readonly headDim: number
  readonly base: number
  readonly rotaryDim: number
  readonly layout: RotaryLayout
}

const shape: OptionNames<RopeShape> = { headDim: true, base: true, rotaryDim: true, layout: true }
const extended = { ...shape, type: true, factor: true } as const
const trained = { ...extended, trainedLength: true } as const
type RopeOptions = {
  readonly [Type in NonNullable<RopeConfig['type']>]: OptionNames<
    Extract<RopeConfig, { readonly type?: Type }>
  >
}
const ropeOptions: RopeOptions = {
  default: { ...shape, type: true },
  linear: extended,
  ntk: extended,
  dynamic: trained,
  'by-parts': { ...trained, alpha: true, beta: true },
  yarn: {
    ...trained,
    betaFast: true,
    betaSlow: true,
    truncate: true,
    attentionFactor: true,
    mscale: true,
    mscaleAllDim: true,
    scalesScores: true,
  },
  llama3: { ...trained, lowFrequencyFactor: true, highFrequencyFactor: true },
  longrope: {
    ...trained,
    shortFactor: true,
    longFactor: true,
    attentionFactor: true,
    shortAttentionFactor: true,
    longAttentionFactor: true,
  },
  proportional: { ...extended, fraction: true },
}

const wholeFile = 'ropeConfigFromHuggingFace(config), which reads config.json'
/** What model files call things. */
const elsewhere = { ropetheta: 'base', ropetype: wholeFile, ropescaling: wholeFile }

/**
 * Fills in the defaults of a configuration and checks it.
 *
 * @throws RangeError for sizes and factors out of range.
 */
export function resolveRopeShape(caller: string, config: RopeConfig): ResolvedRopeShape {
  const { type = 'default' } = config ?? {}
  if (Object.hasOwn(ropeOptions, type)) checkOptions(caller, config, ropeOptions[type], elsewhere)
  const { headDim, base = 10000, rotaryDim = headDim, layout = 'half' } = config
  const fail = (rule: string, got: unknown): never => {
    throw rangeError(`${caller}: ${rule}, got ${String(got)}`)
  }
  if (!Number.isInteger(headDim) || headDim < 2) fail('headDim must be an integer >= 2', headDim)
  if (!Number.isInteger(rotaryDim) || rotaryDim % 2 !== 0 || rotaryDim < 2 || rotaryDim > headDim) {
    fail(`rotaryDim must be even and in 2..headDim (${headDim})`, rotaryDim)
  }
  if (!(base > 1 && Number.isFinite(base))) fail('base must be a number above 1', base)
  if (layout !== 'half' && layout !== 'interleaved') {
    fail("layout must be 'half' or 'interleaved'", layout)
  }
  if ('factor' in config && config.factor !== undefined && !(config.factor > 0)) {
    fail('factor must be a positive number', config.factor)
  }
  if ('trainedLength' in config && !(config.trainedLength > 1)) {
    fail('trainedLength must be a number above 1', config.trainedLength)
  }
  return { headDim, base, rotaryDim, layout }
}
