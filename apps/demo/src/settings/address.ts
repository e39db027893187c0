// Settings in the hash of the address, so that a link shows what its sender saw.
import type { DType } from '@attn/core'
import { biasChoices } from './biases.ts'
import { maskChoices, ownMask } from './masks.ts'
import { initialSettings, usedFields, withInitialValues, type Settings } from './settings.ts'

/** `#mask=causal&bias=none&dtype=float32&B=1...`: only the fields in use. */
export function settingsToHash(settings: Settings): string {
  const query = new URLSearchParams({
    mask: settings.mask,
    bias: settings.bias,
    dtype: settings.dtype,
  })
  if (settings.mask === ownMask.id) query.set('expression', settings.expression)
  for (const { name } of usedFields(settings)) {
    const value = settings.values[name]
    if (value !== undefined && Number.isFinite(value)) query.set(name, String(value))
  }
  return `#${query}`
}

/** The settings of an address; what it leaves out or gets wrong keeps its initial value. */
export function settingsFromHash(hash: string): Settings {
  const query = new URLSearchParams(hash.replace(/^#/, ''))
  const pick = <T extends string>(name: string, known: readonly T[], otherwise: T): T => {
    const given = query.get(name)
    return known.find((each) => each === given) ?? otherwise
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
    dtype: pick<DType>('dtype', ['float32', 'float16'], initialSettings.dtype),
    values: {},
  }
  const given = usedFields(chosen).flatMap(({ name }) => {
    const text = query.get(name)
    const value = Number(text)
    return text !== null && text.trim() !== '' && Number.isFinite(value) ? [[name, value]] : []
  })
  return withInitialValues({ ...chosen, values: Object.fromEntries(given) })
}
