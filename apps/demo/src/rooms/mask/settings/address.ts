// Settings in the query of the address, so that a link shows what its sender saw.
import type { DType } from '@attn/core'
import { biasChoices, ownBias } from './biases.ts'
import { maskChoices, ownMask } from './masks.ts'
import {
  initialSettings,
  tileSides,
  usedFields,
  withInitialValues,
  type Settings,
} from './settings.ts'

/** `mask=causal&bias=none&dtype=float32&B=1...`: only the fields in use. */
export function settingsToQuery(settings: Settings): Record<string, string> {
  const query: Record<string, string> = {
    mask: settings.mask,
    ...(settings.mask === ownMask.id && { expression: settings.expression }),
    bias: settings.bias,
    ...(settings.bias === ownBias.id && { score: settings.score }),
    dtype: settings.dtype,
    ...(settings.tile !== undefined && { tile: String(settings.tile) }),
  }
  for (const { name } of usedFields(settings)) {
    const value = settings.values[name]
    if (value !== undefined && Number.isFinite(value)) query[name] = String(value)
  }
  return query
}

/** The settings of an address; what it leaves out or gets wrong keeps its initial value. */
export function settingsFromQuery(given: Readonly<Record<string, unknown>>): Settings {
  const query = new Map(
    Object.entries(given).flatMap(([name, text]) =>
      typeof text === 'string' ? [[name, text]] : [],
    ),
  )
  const pick = <T extends string>(name: string, known: readonly T[], otherwise: T): T => {
    const text = query.get(name)
    return known.find((each) => each === text) ?? otherwise
  }
  const chosen = {
    mask: pick(
      'mask',
      maskChoices.map(({ id }) => id),
      initialSettings.mask,
    ),
    bias: pick(
      'bias',
      biasChoices.map(({ id }) => id),
      initialSettings.bias,
    ),
    expression: query.get('expression') ?? initialSettings.expression,
    score: query.get('score') ?? initialSettings.score,
    dtype: pick<DType>('dtype', ['float32', 'float16'], initialSettings.dtype),
    tile: tileSides.find((side) => String(side) === query.get('tile')),
    values: {},
  }
  const values = usedFields(chosen).flatMap(({ name }) => {
    const text = query.get(name)
    const value = Number(text)
    return text !== undefined && text.trim() !== '' && Number.isFinite(value) ? [[name, value]] : []
  })
  return withInitialValues({ ...chosen, values: Object.fromEntries(values) })
}
