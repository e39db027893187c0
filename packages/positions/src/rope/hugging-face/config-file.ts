// Reading a Hugging Face config.json: `rope_parameters` (transformers 5) and the older `rope_scaling`
// and `rope_theta`, with what each model's class adds to its file. A setting that is not understood
// changes the result, so it is an error: nothing here is a guess.
import { checkOptions, rangeError } from '@attn/core'
import type { OptionNames, RotaryLayout } from '@attn/core'
import { readNumber, readRecord } from '../json.ts'
import type { JsonRecord } from '../json.ts'
import { resolveRopeShape } from '../config.ts'
import type { RopeConfig, RopeShape } from '../config.ts'
import { caller, stated } from './file.ts'
import { chooseLayer } from './layers.ts'
import type { LayerRope } from './layers.ts'
import { rotaryModels } from './models.ts'
import type { ModelRope } from './models.ts'
import { refusedModels } from './refused-models.ts'
import { ropeType, scaledRope } from './scaling.ts'

/** What config.json does not say. */
export interface HuggingFaceRopeOptions {
  /**
   * Which layers, in models whose layers differ (Gemma 3, ModernBERT, OLMo 3, Cohere 2): most often
   * `full_attention` or `sliding_attention`.
   */
  readonly layerType?: string | undefined
  /**
   * The same by the layer's index from 0; needed where single layers do not turn (SmolLM3, Llama 4).
   */
  readonly layerIndex?: number | undefined
  /** Overrides the layout that `model_type` and `rope_interleave` imply. */
  readonly layout?: RotaryLayout | undefined
}

const huggingFaceRopeOptions: OptionNames<HuggingFaceRopeOptions> = {
  layerType: true,
  layerIndex: true,
  layout: true,
}

/**
 * The {@link RopeConfig} of a parsed config.json.
 *
 * What a file leaves to the defaults of its Python class is filled in for the `model_type`s of the
 * table in the guide "Model files". A `model_type` that is not there is taken only where the file
 * itself states `rope_theta`, `rope_parameters` or `rope_scaling`, and then read as Llama would be.
 * Of a multimodal file the text model is read. With `qk_rope_head_dim` (DeepSeek) the embedding is
 * that of the separate rotary part of each head; see also `yarnScoreScale`. A layer without rotation
 * gets `{ type: 'proportional', fraction: 0 }`, whose frequencies are all 0.
 *
 * @param config - The parsed file, as it stands.
 * @throws RangeError for a model without rotary embeddings or one that is not known, an unknown
 *   `rope_type` or setting, a missing or unfit value, or layers that differ when neither `layerType`
 *   nor `layerIndex` says which. TypeError for an unknown option.
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
 * const gemma = { model_type: 'gemma3', text_config: { model_type: 'gemma3_text' } }
 * ropeConfigFromHuggingFace(gemma, { layerType: 'full_attention' }).base // => 1000000
 * ropeConfigFromHuggingFace({ model_type: 'gpt2' }) // => throws RangeError: ropeConfigFromHuggingFace: model_type gpt2 has no rotary embedding
 * ```
 */
export function ropeConfigFromHuggingFace(
  config: object,
  options: HuggingFaceRopeOptions = {},
): RopeConfig {
  checkOptions(caller, options, huggingFaceRopeOptions)
  const file = textModel(readRecord(caller, 'config', config))
  const model = modelOf(file)
  checkSettings(file)
  const layer = chooseLayer(file, model, options)
  const shape = ropeShape(file, model, layer, options)
  const result: RopeConfig = layer.turns
    ? scaledRope(file, model, layer.parameters, shape)
    : { type: 'proportional', ...shape, fraction: 0 }
  resolveRopeShape(caller, result)
  return result
}

/** The text model's part of a multimodal file; other files as they are. */
function textModel(file: JsonRecord): JsonRecord {
  if (typeof file['model_type'] === 'string' && rotaryModels[file['model_type']]) return file
  for (const name of ['text_config', 'llm_config', 'language_config']) {
    if (stated(file, name)) return readRecord(caller, name, file[name])
  }
  return file
}

function modelOf(file: JsonRecord): ModelRope {
  const type = String(file['model_type'])
  const refused = refusedModels.get(type)
  if (refused) throw rangeError(`${caller}: model_type ${type} ${refused}`)
  const model = Object.hasOwn(rotaryModels, type) ? rotaryModels[type]! : undefined
  if (!model) {
    const settings = ['rope_theta', 'rope_parameters', 'rope_scaling', 'rotary_emb_base']
    if (settings.some((name) => stated(file, name))) {
      return { scalesScores: stated(file, 'qk_rope_head_dim') }
    }
    throw rangeError(
      `${caller}: model_type ${type} is not known here, and the file states none of ${settings.join(', ')}; where the model has rotary embeddings, add what its class takes as default`,
    )
  }
  if (model.only) {
    const { key, value, otherwise } = model.only
    const got = file[key] ?? otherwise
    if (got !== value) {
      throw rangeError(
        `${caller}: model_type ${type} has rotary embeddings only where ${key} is ${JSON.stringify(value)}, got ${JSON.stringify(got)}`,
      )
    }
  }
  return model
}

/** Settings of the file's first level that are read somewhere here. */
const known: ReadonlySet<string> = new Set([
  'rope_theta',
  'rope_parameters',
  'rope_scaling',
  'rope_interleave',
  'qk_rope_head_dim',
  'rope_local_base_freq',
  'local_rope_theta',
  'global_rope_theta',
  'rope_ratio',
  'rotary_dim',
  'rotary_pct',
  'rotary_emb_base',
  'rotary_emb_fraction',
  'rotary_emb_interleaved',
  'partial_rotary_factor',
  'no_rope_layers',
  'no_rope_layer_interval',
  'use_mem_rope',
])
/** Settings that may only have the value under which they change nothing. */
const harmless: ReadonlyMap<string, unknown> = new Map([
  ['original_rope', true],
  ['use_rope', true],
])

function checkSettings(file: JsonRecord): void {
  for (const [name, value] of Object.entries(file)) {
    if (!/rope|rotary/i.test(name) || known.has(name)) continue
    if (value === null || value === false || harmless.get(name) === value) continue
    throw rangeError(
      `${caller}: the setting ${name} is not understood, got ${JSON.stringify(value)}; leave it out only where it changes nothing`,
    )
  }
}

function ropeShape(
  file: JsonRecord,
  model: ModelRope,
  { parameters, base: layerBase, head: layerHead }: LayerRope,
  options: HuggingFaceRopeOptions,
): Required<RopeShape> {
  const first = (...values: unknown[]): unknown =>
    values.find((value) => value !== undefined && value !== null)
  const headDim = (): number => {
    const given = model.separate
      ? first(file['qk_rope_head_dim'], model.head)
      : first(
          layerHead,
          file['qk_rope_head_dim'],
          file['head_dim'],
          file['kv_channels'],
          model.head,
        )
    if (given !== undefined) return readNumber(caller, 'head_dim', given)
    const width = first(file['hidden_size'], file['n_embd'], model.hidden)
    const heads = first(file['num_attention_heads'], file['n_head'], model.heads)
    return Math.floor(
      readNumber(caller, 'hidden_size', width) / readNumber(caller, 'num_attention_heads', heads),
    )
  }
  const width = headDim()
  const ratio = readNumber(caller, 'rope_ratio', first(file['rope_ratio'], 1))
  const base = first(
    parameters['rope_theta'],
    layerBase,
    file['rope_theta'],
    file['rotary_emb_base'],
    model.base,
    10000,
  )
  const fraction = first(
    parameters['partial_rotary_factor'],
    file['partial_rotary_factor'],
    file['rotary_pct'],
    file['rotary_emb_fraction'],
    model.fraction,
    1,
  )
  const isWhole =
    stated(file, 'qk_rope_head_dim') || model.separate || ropeType(parameters) === 'proportional'
  const rotaryDim = isWhole
    ? width
    : readNumber(
        caller,
        'rotary_dim',
        first(
          file['rotary_dim'],
          model.rotaryDim,
          Math.floor(width * readNumber(caller, 'partial_rotary_factor', fraction)),
        ),
      )
  const interleave = first(
    file['rope_interleave'],
    file['rotary_emb_interleaved'],
    model.interleaved,
    false,
  )
  return {
    headDim: width,
    base: ratio * readNumber(caller, 'rope_theta', base),
    rotaryDim,
    layout: options.layout ?? (interleave === true ? 'interleaved' : 'half'),
  }
}
