// Which layer of a model is meant, and what its rotary settings are: bases that differ between full and
// sliding attention (Gemma 3, ModernBERT), settings by layer type (transformers 5), and layers that do
// not turn at all (NoPE, arXiv 2305.19466, in Llama 4, SmolLM3, Cohere 2, EXAONE 4).
import { rangeError } from '@attn/core'
import { readNumber, readRecord } from '../json.ts'
import type { JsonRecord } from '../json.ts'
import { caller, stated } from './file.ts'
import type { HuggingFaceRopeOptions } from './config-file.ts'
import type { ModelRope } from './models.ts'

/** The settings of one layer. */
export interface LayerRope {
  /** Its part of `rope_parameters` or `rope_scaling`. */
  readonly parameters: JsonRecord
  /** Whether its queries and keys turn. */
  readonly turns: boolean
  /** rope_theta of this kind of layer, unless the parameters have one. */
  readonly base?: unknown
  /** Width of its heads, where they differ by layer. */
  readonly head?: unknown
}

const full = 'full_attention'
const sliding = 'sliding_attention'
/** Layers that have no scores, and so nothing to turn. */
const withoutScores = /linear|mamba|conv|recurrent/

/**
 * Finds the layer and its settings.
 *
 * @throws RangeError where layers differ and nothing says which is meant, or no such layer exists.
 */
export function chooseLayer(
  file: JsonRecord,
  model: ModelRope,
  options: HuggingFaceRopeOptions,
): LayerRope {
  const given = file['rope_parameters'] ?? file['rope_scaling'] ?? model.parameters ?? {}
  const parameters = readRecord(caller, 'rope_parameters', given)
  const nested = Object.entries(parameters).filter(
    ([name, value]) =>
      (typeof value === 'object' && value !== null && !Array.isArray(value)) ||
      (value === null && /attention|hybrid/.test(name)),
  )
  const hasBases = model.bases !== undefined || localBase(file) !== undefined
  const kinds = layerKinds(
    file,
    model,
    nested.map(([name]) => name),
    hasBases,
  )
  const type = layerType(file, model, kinds, options)
  const required = (): string => {
    if (type !== undefined) return type
    throw rangeError(
      `${caller}: layers differ, so layerType must be one of ${[...kinds].join(', ')}, got undefined`,
    )
  }
  const turns = !isUnrotated(file, model, type, options, required)
  const head =
    model.fullHead !== undefined && required() === full
      ? { head: file['global_head_dim'] ?? model.fullHead }
      : {}

  if (nested.length > 0) {
    const own = nested.find(([name]) => name === required())
    if (!own) {
      throw rangeError(
        `${caller}: layerType must be one of ${nested.map(([name]) => name).join(', ')}, got ${type}`,
      )
    }
    if (own[1] === null) return { parameters: {}, turns: false, ...head }
    return { parameters: readRecord(caller, own[0], own[1]), turns, ...head }
  }
  if (hasBases) {
    const isFull = required() === full
    const base = isFull
      ? (file['global_rope_theta'] ?? file['rope_theta'] ?? model.bases?.full)
      : (localBase(file) ?? model.bases?.sliding)
    const scales = isFull || model.scalesFullOnly === false
    return { parameters: scales ? parameters : {}, turns, base, ...head }
  }
  return { parameters, turns, ...head }
}

function localBase(file: JsonRecord): unknown {
  return file['rope_local_base_freq'] ?? file['local_rope_theta'] ?? undefined
}

/** The layer types that `layerType` may name. */
function layerKinds(
  file: JsonRecord,
  model: ModelRope,
  nested: readonly string[],
  hasBases: boolean,
): ReadonlySet<string> {
  const listed = layerTypes(file)
  if (listed) return new Set([...listed, ...nested])
  if (nested.length > 0) return new Set(nested)
  const differ = hasBases || model.fullEvery !== undefined || model.unrotated === full
  return new Set(differ ? [full, sliding] : [full])
}

function layerTypes(file: JsonRecord): readonly string[] | undefined {
  const listed = file['layer_types']
  return Array.isArray(listed) ? listed.map(String) : undefined
}

/** The type of the layer that the options mean, if they say and types are known. */
function layerType(
  file: JsonRecord,
  model: ModelRope,
  kinds: ReadonlySet<string>,
  { layerType: named, layerIndex }: HuggingFaceRopeOptions,
): string | undefined {
  if (named !== undefined && !kinds.has(named)) {
    throw rangeError(
      `${caller}: layerType must be one of ${[...kinds].join(', ')}, got ${JSON.stringify(named)}`,
    )
  }
  const indexed = layerIndex === undefined ? undefined : typeOfIndex(file, model, layerIndex)
  if (named !== undefined && indexed !== undefined && named !== indexed) {
    throw rangeError(
      `${caller}: layer ${layerIndex} is of type ${indexed}, but layerType is ${named}`,
    )
  }
  const type = named ?? indexed
  if (type !== undefined && withoutScores.test(type)) {
    throw rangeError(`${caller}: layers of type ${type} have no scores and no rotary embedding`)
  }
  return type
}

function typeOfIndex(file: JsonRecord, model: ModelRope, index: number): string | undefined {
  const listed = layerTypes(file)
  const count = listed?.length ?? file['num_hidden_layers'] ?? Infinity
  if (!Number.isInteger(index) || index < 0 || index >= Number(count)) {
    throw rangeError(
      `${caller}: layerIndex must be an integer in 0..${Number(count) - 1}, got ${index}`,
    )
  }
  if (listed) return listed[index]
  if (model.fullFirst !== undefined) {
    const every = file['global_attn_every_n_layers'] ?? model.fullFirst
    return index % readNumber(caller, 'global_attn_every_n_layers', every) === 0 ? full : sliding
  }
  if (model.fullEvery === undefined) return undefined
  const every = file['sliding_window_pattern'] ?? file['_sliding_window_pattern'] ?? model.fullEvery
  return (index + 1) % readNumber(caller, 'sliding_window_pattern', every) === 0 ? full : sliding
}

function isUnrotated(
  file: JsonRecord,
  model: ModelRope,
  type: string | undefined,
  { layerIndex }: HuggingFaceRopeOptions,
  required: () => string,
): boolean {
  if (model.unrotated === full) {
    // EXAONE 4 without windows turns everywhere.
    const windows = file['sliding_window'] !== null
    return windows && required() === full
  }
  if (model.unrotated !== 'listed') {
    if (stated(file, 'no_rope_layers')) {
      throw rangeError(
        `${caller}: no_rope_layers is not understood of model_type ${String(file['model_type'])}`,
      )
    }
    return false
  }
  const listed = file['no_rope_layers']
  const marks = Array.isArray(listed) && listed.length > 0 ? listed.map(Number) : undefined
  if (marks?.every((mark) => mark !== 0)) return false
  if (layerIndex === undefined) {
    throw rangeError(
      `${caller}: some layers do not turn (no_rope_layers), so layerIndex must say which is meant, got undefined`,
    )
  }
  if (!marks) {
    const interval = file['no_rope_layer_interval'] ?? model.listEvery
    return (layerIndex + 1) % readNumber(caller, 'no_rope_layer_interval', interval) === 0
  }
  if (layerIndex >= marks.length) {
    throw rangeError(
      `${caller}: layerIndex must be an integer in 0..${marks.length - 1}, got ${layerIndex}`,
    )
  }
  return marks[layerIndex] === 0
}
