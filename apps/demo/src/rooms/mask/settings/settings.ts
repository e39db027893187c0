// Everything a run depends on, as plain data: it travels to the worker and into the address.
import type { AttentionOptions, AttentionShape, DType, Mask, ScoreModifier } from '@attn/core'
import { parseMask } from '../expression/parse-mask.ts'
import { parseScore } from '../expression/parse-score.ts'
import { biasChoices, ownBias } from './biases.ts'
import { fieldError, type Field, type Values } from '../../../forms/field.ts'
import { maskChoices, ownMask } from './masks.ts'

export interface Settings {
  /** `id` of a mask choice. */
  readonly mask: string
  /** `id` of a bias choice. */
  readonly bias: string
  /** The mask as the visitor wrote it, where the choice is to write one. */
  readonly expression: string
  /** The score modifier as the visitor wrote it, likewise. */
  readonly score: string
  readonly dtype: DType
  /** Side of the tiles that are drawn; undefined for those of the kernel. */
  readonly tile: number | undefined
  /** Sizes, and the numbers of the mask and the bias, by field name. */
  readonly values: Values
}

export const sizeFields: readonly Field[] = [
  { name: 'B', label: 'Batch', initial: 1, minimum: 1, maximum: 64 },
  { name: 'H', label: 'Heads', initial: 4, minimum: 1, maximum: 128 },
  { name: 'Hkv', label: 'Key/value heads', initial: 4, minimum: 1, maximum: 128 },
  { name: 'L', label: 'Length', initial: 512, minimum: 1, maximum: 1048576 },
  { name: 'D', label: 'Head dim', initial: 64, minimum: 1, maximum: 256 },
]

/** Elements of the query at most: 256 MiB in float32. */
const largestTensor = 2 ** 26

export function maskChoice(settings: Settings): (typeof maskChoices)[number] {
  return maskChoices.find(({ id }) => id === settings.mask) ?? maskChoices[0]!
}

export function biasChoice(settings: Settings): (typeof biasChoices)[number] {
  return biasChoices.find(({ id }) => id === settings.bias) ?? biasChoices[0]!
}

/** The numbers of the mask: the choice's own, or those that the visitor's expression names. */
export function maskFields(settings: Settings): readonly Field[] {
  if (settings.mask !== ownMask.id) return maskChoice(settings).fields
  try {
    return parseMask(settings.expression).numbers.map((name) => ({
      name: `x-${name}`,
      label: name,
      initial: 64,
      minimum: -1048576,
      maximum: 1048576,
    }))
  } catch {
    // What is wrong is said where the mask is built.
    return []
  }
}

/** The numbers of the score modifier, likewise. */
export function biasFields(settings: Settings): readonly Field[] {
  if (settings.bias !== ownBias.id) return biasChoice(settings).fields
  try {
    return parseScore(settings.score).numbers.map((name) => ({
      name: `s-${name}`,
      label: name,
      initial: 0.5,
      minimum: -1e6,
      maximum: 1e6,
      step: 0.05,
    }))
  } catch {
    return []
  }
}

/** Every field that these settings use. */
export function usedFields(settings: Settings): readonly Field[] {
  return [...sizeFields, ...maskFields(settings), ...biasFields(settings)]
}

/** Fills in the initial value of every field that has none. */
export function withInitialValues(settings: Settings): Settings {
  const initial = Object.fromEntries(
    usedFields(settings).map((field) => [field.name, field.initial]),
  )
  return { ...settings, values: { ...initial, ...settings.values } }
}

/** Sides of tiles to choose from. */
export const tileSides: readonly number[] = [8, 16, 32, 64, 128, 256]

export const initialSettings: Settings = withInitialValues({
  mask: 'expression',
  bias: 'none',
  expression: 'k <= q && q - k < width || k < 4',
  score: 's - slope * abs(q - k)',
  dtype: 'float32',
  tile: undefined,
  values: {},
})

/** What is wrong with the settings, by field name. Empty when they can be run. */
export function settingsErrors(settings: Settings): Readonly<Record<string, string>> {
  const { values } = settings
  const errors: Record<string, string> = {}
  for (const field of usedFields(settings)) {
    const error = fieldError(field, values[field.name] ?? Number.NaN)
    if (error) errors[field.name] = error
  }
  if (Object.keys(errors).length > 0) return errors
  const { batch, heads, kvHeads, queryLength, headDim } = shapeOf(settings)
  if (heads % kvHeads !== 0) {
    errors['Hkv'] = `Key/value heads: must divide the ${heads} heads`
  }
  const elements = batch * heads * queryLength * headDim
  if (elements > largestTensor) {
    errors['L'] =
      `Length: batch × heads × length × head dim is ${elements.toLocaleString('en')}; this page stops at ${largestTensor.toLocaleString('en')}`
  }
  return errors
}

export function shapeOf({ values }: Settings): AttentionShape {
  const { B, H, Hkv, L, D } = values as Record<'B' | 'H' | 'Hkv' | 'L' | 'D', number>
  return {
    batch: B,
    heads: H,
    kvHeads: Hkv,
    queryLength: L,
    keyLength: L,
    headDim: D,
    valueDim: D,
  }
}

function ownMaskOf({ expression, values }: Settings): Mask {
  const { numbers, build } = parseMask(expression)
  return build(Object.fromEntries(numbers.map((name) => [name, values[`x-${name}`] ?? 0])))
}

/** The preset as an expression of the visitor's, with the same numbers. */
export function asOwnExpression(settings: Settings, expression: string): Settings {
  const taken = maskChoice(settings).fields.map(({ name }) => [
    `x-${name}`,
    settings.values[name] ?? 0,
  ])
  const values = { ...settings.values, ...Object.fromEntries(taken) }
  return withInitialValues({ ...settings, mask: ownMask.id, expression, values })
}

function ownBiasOf({ score, values }: Settings): ScoreModifier {
  const { numbers, build } = parseScore(score)
  return build(Object.fromEntries(numbers.map((name) => [name, values[`s-${name}`] ?? 0])))
}

/** The modifier as one of the visitor's, with the same numbers. */
export function asOwnScore(settings: Settings, score: string): Settings {
  const taken = biasChoice(settings).fields.map(({ name }) => [
    `s-${name}`,
    settings.values[name] ?? 0,
  ])
  const values = { ...settings.values, ...Object.fromEntries(taken) }
  return withInitialValues({ ...settings, bias: ownBias.id, score, values })
}

/** The score modifier as text, whichever way it was chosen; empty where it has none. */
export function scoreOf(settings: Settings): string {
  return settings.bias === ownBias.id ? settings.score : (biasChoice(settings).text ?? '')
}

/** The mask as text, whichever way it was chosen; empty where it has none. */
export function expressionOf(settings: Settings): string {
  return settings.mask === ownMask.id ? settings.expression : (maskChoice(settings).text ?? '')
}

/** The options of attention that the settings stand for. */
export function attentionOptions(settings: Settings): AttentionOptions {
  const shape = shapeOf(settings)
  const mask =
    settings.mask === ownMask.id
      ? ownMaskOf(settings)
      : maskChoice(settings).build(settings.values, shape)
  const scoreModifiers =
    settings.bias === ownBias.id
      ? [ownBiasOf(settings)]
      : biasChoice(settings).build(settings.values, shape)
  return { ...(mask && { mask }), scoreModifiers }
}
