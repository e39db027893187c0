// From the scaling settings of a config.json to a configuration of ours. Each kind reads the settings
// it knows; any other is an error, since a setting that is not understood changes the result.
import { rangeError } from '@attn/core'
import { readNumber, readNumbers } from '../json.ts'
import type { JsonRecord } from '../json.ts'
import type { RopeConfig, RopeShape } from '../config.ts'
import { caller } from './file.ts'
import type { ModelRope } from './models.ts'

/** Settings that say something else than how to scale, or repeat what stands elsewhere. */
const neutral = [
  'rope_type',
  'type',
  'rope_theta',
  'partial_rotary_factor',
  'finetuned',
  'original_max_position_embeddings',
  'max_position_embeddings',
]
/** What each kind reads besides. */
const kinds: Readonly<Record<string, readonly string[]>> = {
  default: [],
  linear: ['factor'],
  dynamic: ['factor', 'alpha'],
  yarn: [
    'factor',
    'attention_factor',
    'beta_fast',
    'beta_slow',
    'mscale',
    'mscale_all_dim',
    'truncate',
  ],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor'],
  longrope: [
    'factor',
    'attention_factor',
    'short_factor',
    'long_factor',
    'short_mscale',
    'long_mscale',
  ],
  proportional: ['factor'],
}
/** What to say of settings that are understood and not supported. */
const explained: Readonly<Record<string, string>> = {
  mrope_section:
    "mrope_section (positions of three axes) is not supported; for text alone, whose three positions are equal, remove it and make rope_type 'default'",
  llama_4_scaling_beta:
    'llama_4_scaling_beta scales queries by 1 + beta ln(1 + floor(position / original_max_position_embeddings)), which is no part of an embedding; do so and remove it',
}

/** The kind of scaling, under the name it has today. */
export function ropeType(parameters: JsonRecord): unknown {
  const type = parameters['rope_type'] ?? parameters['type'] ?? 'default'
  // Early Phi-3 files call LongRoPE `su`, and before that `yarn`.
  const isLongRope = type === 'su' || (type === 'yarn' && parameters['long_factor'] !== undefined)
  return isLongRope ? 'longrope' : type
}

function checkNames(type: string, model: ModelRope, parameters: JsonRecord): void {
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined) continue
    if (explained[name]) throw rangeError(`${caller}: ${explained[name]}`)
    if (neutral.includes(name) || kinds[type]!.includes(name)) continue
    if (model.ignores?.includes(name)) continue
    throw rangeError(
      `${caller}: the setting ${name} of rope_type ${type} is not understood, got ${JSON.stringify(value)}`,
    )
  }
}

/**
 * The configuration that the scaling settings stand for.
 *
 * @throws RangeError for an unknown kind or setting, and for missing and unfit values.
 */
export function scaledRope(
  file: JsonRecord,
  model: ModelRope,
  parameters: JsonRecord,
  shape: Required<RopeShape>,
): RopeConfig {
  const type = ropeType(parameters)
  if (typeof type !== 'string' || !Object.hasOwn(kinds, type)) {
    if (parameters['mrope_section']) throw rangeError(`${caller}: ${explained['mrope_section']}`)
    throw rangeError(
      `${caller}: rope_type must be default, linear, dynamic, yarn, llama3, longrope or proportional, got ${JSON.stringify(type)}`,
    )
  }
  checkNames(type, model, parameters)
  const number = (name: string): number => readNumber(caller, name, parameters[name])
  const optional = <Key extends string>(key: Key, name: string): { [K in Key]?: number } =>
    (parameters[name] ?? undefined) === undefined
      ? {}
      : ({ [key]: number(name) } as { [K in Key]?: number })
  const maximum = (): number =>
    readNumber(
      caller,
      'max_position_embeddings',
      file['max_position_embeddings'] ?? file['n_positions'] ?? file['seq_length'] ?? model.length,
    )
  const original = (): number => {
    const value =
      file['original_max_position_embeddings'] ?? parameters['original_max_position_embeddings']
    return value === undefined || value === null
      ? maximum()
      : readNumber(caller, 'original_max_position_embeddings', value)
  }
  // Without a factor it is the ratio of the two lengths (DeepSeek V3, Phi-3).
  const factorOrRatio = (): number => optional('factor', 'factor').factor ?? maximum() / original()

  switch (type) {
    case 'default':
      return { type, ...shape }
    case 'linear':
      return { type, ...shape, factor: number('factor') }
    case 'dynamic':
      // Hunyuan's fixed base.
      if (model.ignores && parameters['alpha']) {
        return { type: 'ntk', ...shape, factor: number('alpha') }
      }
      if (parameters['alpha']) {
        throw rangeError(`${caller}: the setting alpha is understood of Hunyuan models only`)
      }
      return { type, ...shape, factor: number('factor'), trainedLength: maximum() }
    case 'yarn':
      return {
        type,
        ...shape,
        factor: factorOrRatio(),
        trainedLength: original(),
        ...optional('attentionFactor', 'attention_factor'),
        ...optional('betaFast', 'beta_fast'),
        ...optional('betaSlow', 'beta_slow'),
        ...optional('mscale', 'mscale'),
        ...optional('mscaleAllDim', 'mscale_all_dim'),
        truncate: parameters['truncate'] !== false,
        ...(parameters['mscale_all_dim'] && !model.scalesScores ? { scalesScores: false } : {}),
      }
    case 'llama3':
      return {
        type,
        ...shape,
        factor: number('factor'),
        trainedLength: original(),
        lowFrequencyFactor: number('low_freq_factor'),
        highFrequencyFactor: number('high_freq_factor'),
      }
    case 'longrope':
      return {
        type,
        ...shape,
        factor: factorOrRatio(),
        trainedLength: original(),
        shortFactor: readNumbers(caller, 'short_factor', parameters['short_factor']),
        longFactor: readNumbers(caller, 'long_factor', parameters['long_factor']),
        ...optional('attentionFactor', 'attention_factor'),
        ...optional('shortAttentionFactor', 'short_mscale'),
        ...optional('longAttentionFactor', 'long_mscale'),
      }
    default:
      return {
        type: 'proportional',
        ...shape,
        fraction: optional('fraction', 'partial_rotary_factor').fraction ?? 1,
        ...optional('factor', 'factor'),
      }
  }
}
