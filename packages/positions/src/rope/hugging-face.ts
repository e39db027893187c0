// Reading a Hugging Face config.json: `rope_parameters` (transformers 5) and the older
// `rope_scaling` and `rope_theta`, with the quirks of the models that name things their own way.
import type { RotaryLayout } from '@attn/core'
import { readNumber, readNumbers, readRecord } from './json.ts'
import type { JsonRecord } from './json.ts'
import { resolveRopeShape } from './config.ts'
import type { RopeConfig, RopeShape } from './config.ts'

/** What config.json does not say. */
export interface HuggingFaceRopeOptions {
  /**
   * Which layers, in models whose layers differ (Gemma 3, ModernBERT): `full_attention` or
   * `sliding_attention`.
   */
  readonly layerType?: string
  /** Overrides the layout that `model_type` and `rope_interleave` imply. */
  readonly layout?: RotaryLayout
}

/** Models whose transformers code turns elements 2j and 2j + 1; all others turn j and j + d / 2. */
const interleavedModels: ReadonlySet<string> = new Set([
  'blt',
  'codegen',
  'cohere',
  'cohere2',
  'deepseek_v2',
  'deepseek_v3',
  'ernie4_5',
  'ernie4_5_moe',
  'glm',
  'glm4',
  'gptj',
  'helium',
  'llama4_text',
  'moonshine',
])

const caller = 'ropeConfigFromHuggingFace'

/**
 * The {@link RopeConfig} of a parsed config.json.
 *
 * What the file leaves to the defaults of its Python class is not known here: a missing `rope_theta`
 * is taken as 10000 and a missing `partial_rotary_factor` as 1. Spread the file and add what is
 * missing: `{ ...config, rope_theta: 500000 }`. With `qk_rope_head_dim` (DeepSeek) the embedding is
 * that of the separate rotary part of each head; see also `yarnScoreScale`.
 *
 * @param config - The parsed file, as it stands.
 * @throws RangeError for an unknown `rope_type`, a missing or unfit value, or layers that differ
 *   when no `layerType` says which.
 *
 * @example
 * ```ts
 * import { ropeConfigFromHuggingFace, ropeFrequencies } from '@attn/positions'
 * const config = ropeConfigFromHuggingFace({
 *   model_type: 'llama', hidden_size: 4096, num_attention_heads: 32, rope_theta: 500000,
 *   max_position_embeddings: 131072,
 *   rope_scaling: {
 *     rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4,
 *     original_max_position_embeddings: 8192,
 *   },
 * })
 * config.type // => 'llama3'
 * ropeFrequencies(config).inverseFrequencies.length // => 64
 * ```
 */
export function ropeConfigFromHuggingFace(
  config: object,
  options: HuggingFaceRopeOptions = {},
): RopeConfig {
  const file = readRecord(caller, 'config', config)
  const parameters = ropeParameters(file, options.layerType)
  if (parameters['mrope_section'] !== undefined) {
    throw new RangeError(
      `${caller}: mrope_section (positions of three axes) is not supported; for text alone, whose three positions are equal, remove it and make rope_type 'default'`,
    )
  }
  const result = scaled(file, parameters, ropeShape(file, parameters, options))
  resolveRopeShape(caller, result)
  return result
}

function ropeParameters(file: JsonRecord, layerType: string | undefined): JsonRecord {
  const given = file['rope_parameters'] ?? file['rope_scaling'] ?? {}
  const parameters = readRecord(caller, 'rope_parameters', given)
  const perLayer = Object.entries(parameters).filter(
    ([, value]) => typeof value === 'object' && value !== null && !Array.isArray(value),
  )
  if (perLayer.length > 0) {
    const names = perLayer.map(([name]) => name)
    const chosen = perLayer.find(([name]) => name === layerType)
    if (!chosen) {
      throw new RangeError(
        `${caller}: layers differ, so layerType must be one of ${names.join(', ')}, got ${layerType}`,
      )
    }
    return readRecord(caller, chosen[0], chosen[1])
  }
  // Gemma 3 and ModernBERT before transformers 5 name the base of the two kinds of layers apart.
  const localBase = file['rope_local_base_freq'] ?? file['local_rope_theta']
  if (localBase === undefined) return parameters
  if (layerType === 'sliding_attention') return { rope_theta: localBase }
  if (layerType === 'full_attention') {
    return { rope_theta: file['global_rope_theta'] ?? file['rope_theta'], ...parameters }
  }
  throw new RangeError(
    `${caller}: layers differ, so layerType must be full_attention or sliding_attention, got ${layerType}`,
  )
}

function ropeShape(
  file: JsonRecord,
  parameters: JsonRecord,
  options: HuggingFaceRopeOptions,
): Required<RopeShape> {
  const modelType = file['model_type']
  const separate = file['qk_rope_head_dim']
  const given = separate ?? file['head_dim']
  const headDim =
    given !== undefined && given !== null
      ? readNumber(caller, 'head_dim', given)
      : Math.floor(
          readNumber(caller, 'hidden_size', file['hidden_size'] ?? file['n_embd']) /
            readNumber(
              caller,
              'num_attention_heads',
              file['num_attention_heads'] ?? file['n_head'],
            ),
        )
  const base = parameters['rope_theta'] ?? file['rope_theta'] ?? file['rotary_emb_base'] ?? 10000
  const fraction =
    parameters['partial_rotary_factor'] ?? file['partial_rotary_factor'] ?? file['rotary_pct'] ?? 1
  const isWhole = separate !== undefined || ropeType(file, parameters) === 'proportional'
  const rotaryDim = isWhole
    ? headDim
    : readNumber(
        caller,
        'rotary_dim',
        file['rotary_dim'] ??
          Math.floor(headDim * readNumber(caller, 'partial_rotary_factor', fraction)),
      )
  const interleave =
    file['rope_interleave'] ?? (typeof modelType === 'string' && interleavedModels.has(modelType))
  return {
    headDim,
    base: readNumber(caller, 'rope_theta', base),
    rotaryDim,
    layout: options.layout ?? (interleave ? 'interleaved' : 'half'),
  }
}

function ropeType(file: JsonRecord, parameters: JsonRecord): unknown {
  const type = parameters['rope_type'] ?? parameters['type'] ?? 'default'
  // Early Phi-3 files call LongRoPE `su`, and before that `yarn`.
  const isLongRope = type === 'su' || (type === 'yarn' && parameters['long_factor'] !== undefined)
  return isLongRope ? 'longrope' : type
}

function scaled(file: JsonRecord, parameters: JsonRecord, shape: Required<RopeShape>): RopeConfig {
  const number = (name: string): number => readNumber(caller, name, parameters[name])
  const optional = <Key extends string>(key: Key, name: string): { [K in Key]?: number } =>
    (parameters[name] ?? undefined) === undefined
      ? {}
      : ({ [key]: number(name) } as { [K in Key]?: number })
  const maximum = (): number =>
    readNumber(
      caller,
      'max_position_embeddings',
      file['max_position_embeddings'] ?? file['n_positions'],
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

  const type = ropeType(file, parameters)
  switch (type) {
    case 'default':
      return { type, ...shape }
    case 'linear':
      return { type, ...shape, factor: number('factor') }
    case 'dynamic':
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
      }
    case 'proportional':
      return {
        type,
        ...shape,
        fraction: optional('fraction', 'partial_rotary_factor').fraction ?? 1,
        ...optional('factor', 'factor'),
      }
    default:
      throw new RangeError(
        `${caller}: rope_type must be default, linear, dynamic, yarn, llama3, longrope or proportional, got ${JSON.stringify(type)}`,
      )
  }
}
