// A call as it is planned: everything that decides its result, checked and with defaults, whatever kernel computes
// it. Forward, backward, decode and weights of a call read this one value, so that what is visible, where the rules
// of scores lie in memory and what is turned are decided once.
import {
  checkAttentionOptions,
  checkAttentionShape,
  floatExpression,
  rangeError,
  resolveOptions,
  typeError,
} from '@attn/core'
import type { AttentionShape, DType, ResolvedAttention, ScoreModifier } from '@attn/core'
import { composeLookups } from '../codegen/compose-lookups.ts'
import { counterNodes, dataLayout, packData } from '../codegen/data-layout.ts'
import type { DataLayout, PackedData } from '../codegen/data-layout.ts'
import { checkOperations } from '../codegen/expression-limit.ts'
import { pairwiseRules, scoreRules } from '../codegen/snippets.ts'
import type { ScoreRules } from '../codegen/snippets.ts'
import type { Capabilities } from '../device/capabilities.ts'
import { isSoftware } from '../device/software.ts'
import { isDType } from '../gpu-tensor.ts'
import { headWords } from './head-words.ts'
import { planOptionNames } from './plan-options.ts'
import type { PlanOptions } from './plan-options.ts'
import { resolveRope } from './rotate/rope-options.ts'
import type { ResolvedRope } from './rotate/rope-options.ts'
import { decideVisibility } from './visibility.ts'
import type { Visibility } from './visibility.ts'
import { checkWidths } from './widths.ts'

/** A call, resolved. */
export interface Call {
  readonly shape: AttentionShape
  readonly dtype: DType
  readonly attention: ResolvedAttention
  /** What its queries see, for tiles of any size. */
  readonly visibility: Visibility
  /** Whether key lengths and query offsets come with each run. */
  readonly lengthsPerCall: boolean
  /** Undefined where neither queries nor keys are turned. */
  readonly rope: ResolvedRope | undefined
  /** The score modifiers as kernels read them: look-ups by what other look-ups found are one look-up. */
  readonly scoreModifiers: readonly ScoreModifier[]
  /** Where kernels find tables and parameters, and the words themselves. */
  readonly layout: DataLayout
  readonly data: PackedData
  /** The text of mask and score modifiers for tiles in natural order. */
  readonly rules: ScoreRules
  /** Whether texts are kept short at the cost of speed: where compiling takes long. */
  readonly shortText: boolean
  /** Floating-point operations that a dispatch may hold. */
  readonly workBudget: number
}

/** What one dispatch may hold unless told otherwise: tens of milliseconds on a desktop GPU. */
const defaultWorkBudget = 2 ** 38

/**
 * Resolves what a plan is asked for.
 *
 * @throws RangeError for sizes and values out of range, TypeError for things of the wrong kind.
 */
export function resolveCall(options: PlanOptions, capabilities: Capabilities): Call {
  checkAttentionOptions('flash.plan', options, planOptionNames)
  const { heads, queryLength, headDim, dtype = 'float32' } = options
  const { batch = 1, kvHeads = heads, keyLength = queryLength, valueDim = headDim } = options
  const shape = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
  checkAttentionShape('flash.plan', shape)
  checkWidths('flash.plan', shape, options.training)
  if (!isDType(dtype)) {
    throw typeError(
      `flash.plan: dtype must be float32, float16 or bfloat16, got ${String(dtype)}`,
      'ATTN_DTYPE',
    )
  }
  const { workBudget = defaultWorkBudget } = options
  if (!(workBudget > 0)) {
    throw rangeError(`flash.plan: workBudget must be a positive number, got ${workBudget}`)
  }
  const lengthsPerCall = comesPerCall(options)
  const attention = resolveOptions('flash.plan', shape, options)
  const { mask } = attention
  checkOperations('flash.plan', [mask, ...attention.scoreModifiers])
  const scoreModifiers = attention.scoreModifiers.map((modifier) => ({
    ...modifier,
    expression: floatExpression(composeLookups(modifier.expression.node, heads)),
  }))
  const nodes = [mask, ...scoreModifiers].flatMap((part) => (part ? [part.expression.node] : []))
  const within = attention.dropout?.within
  const layout = dataLayout([...nodes, ...counterNodes(within)])
  return {
    shape,
    dtype,
    attention,
    visibility: decideVisibility(shape, attention),
    lengthsPerCall,
    rope: resolveRope('flash.plan', options.rope, shape, attention, lengthsPerCall),
    scoreModifiers,
    layout,
    data: packData(layout, headWords(attention)),
    rules: scoreRules(mask, scoreModifiers, layout, within),
    shortText: isSoftware(capabilities),
    workBudget,
  }
}

/**
 * Whether lengths come with each run.
 *
 * @throws RangeError when they are given here as well, TypeError for another word.
 */
function comesPerCall({ lengths = 'plan', ...options }: PlanOptions): boolean {
  if (lengths !== 'plan' && lengths !== 'call') {
    throw typeError(`flash.plan: lengths must be plan or call, got ${String(lengths)}`)
  }
  if (lengths === 'plan') return false
  for (const name of ['keyLengths', 'queryOffset', 'sequences', 'tile'] as const) {
    if (options[name] !== undefined) {
      throw rangeError(`flash.plan: ${name} cannot be given here with lengths 'call'`)
    }
  }
  if (options.training) throw rangeError(`flash.plan: training needs lengths 'plan', got call`)
  return true
}

/** The rules of a call for kernels whose pairs each name their own positions. */
export function rulesOfPairs({ attention, scoreModifiers, layout }: Call): ScoreRules {
  return pairwiseRules(attention.mask, scoreModifiers, layout)
}
