// Every model of the table against transformers: `golden/hugging-face-models.json` holds, of each
// model class of transformers 5.17.0, the default configuration as it saves itself, how many pairs
// its rotary module turns, how far the second pair turns per position, and its attention factor.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ropeConfigFromHuggingFace, ropeFrequencies, yarnScoreScale } from '../src/index.ts'
import type { RopeConfig, YarnRope } from '../src/index.ts'
import { rotaryModels } from '../src/rope/hugging-face/models.ts'
import { refusedModels } from '../src/rope/hugging-face/refused-models.ts'

interface GoldenModel {
  readonly source: string
  readonly layout: string
  readonly config: Readonly<Record<string, unknown>>
  /** By layer type; '' where layers do not differ. */
  readonly embeddings: Readonly<
    Record<string, { pairs: number; second: number; attentionFactor: number }>
  >
}

const golden = JSON.parse(
  readFileSync(new URL('golden/hugging-face-models.json', import.meta.url), 'utf8'),
) as { models: Record<string, GoldenModel> }
const models = Object.entries(golden.models).filter(
  ([, { embeddings }]) => Object.keys(embeddings).length > 0,
)

/** What a file may leave to its class, left out. */
function bare(config: GoldenModel['config']): Record<string, unknown> {
  const { model_type, layer_types, no_rope_layers } = config
  return { model_type, ...(layer_types ? { layer_types } : {}), no_rope_layers }
}

/** A layer that turns, and is of the type asked for where layers differ. */
function layerOf(name: string, type: string): { layerType?: string; layerIndex?: number } {
  const model = rotaryModels[name]!
  if (type !== '') return { layerType: type }
  if (model.unrotated === 'listed') return { layerIndex: 0 }
  return model.unrotated ? { layerType: 'sliding_attention' } : {}
}

describe.each(models)('%s', (name, { config, embeddings, layout }) => {
  const files: [string, Record<string, unknown>][] = [
    ['as its class saves it', { ...config }],
    ['with all left to the class', bare(config)],
    ['inside a multimodal file', { model_type: 'some_images', text_config: bare(config) }],
  ]
  test.each(files)('%s', (_, file) => {
    for (const [type, expected] of Object.entries(embeddings)) {
      const read = ropeConfigFromHuggingFace(file, layerOf(name, type))
      const rotary = ropeFrequencies(read)
      expect(rotary.layout).toBe(layout)
      const turning = Array.from(rotary.inverseFrequencies)
      expect(turning).toHaveLength(expected.pairs)
      // transformers computes in float32.
      expect(Math.abs(turning[1]! / expected.second - 1)).toBeLessThan(1e-6)
      expect(Math.abs(rotary.attentionFactor - expected.attentionFactor)).toBeLessThan(1e-12)
    }
  })
})

// Their rotation is written out in their attention: no module to compare with.
test.each(['codegen', 'gptj', 'roformer'])('%s', (name) => {
  const { config, layout, embeddings } = golden.models[name]!
  expect(embeddings).toEqual({})
  expect(ropeConfigFromHuggingFace(config)).toMatchObject({ rotaryDim: 64, layout })
  expect(ropeConfigFromHuggingFace(bare(config))).toMatchObject({ rotaryDim: 64, layout })
})

test('every model of the table is compared with its class, or named here', () => {
  const elsewhere = [
    'chatglm',
    'kimi_k2',
    'esm',
    'granitemoehybrid',
    'zamba2',
    'mistral4',
    'ministral3',
    'glm4_moe',
  ]
  expect(Object.keys(rotaryModels).toSorted()).toEqual(
    [...Object.keys(golden.models), ...elsewhere].toSorted(),
  )
})

describe('models that turn only by a setting', () => {
  test.each([
    ['esm', { position_embedding_type: 'rotary' }],
    ['granitemoehybrid', { position_embedding_type: 'rope' }],
    ['zamba2', { use_mem_rope: true }],
    ['falcon', { alibi: false }],
  ])('%s', (model_type, settings) => {
    expect(ropeConfigFromHuggingFace({ model_type, ...settings }).type).toBe('default')
    const without = model_type === 'falcon' ? { model_type, alibi: true } : { model_type }
    expect(() => ropeConfigFromHuggingFace(without)).toThrow(/only where/)
  })
})

describe('models that are refused', () => {
  test.each([...refusedModels.keys()])('%s', (model_type) => {
    const file = { model_type, hidden_size: 768, num_attention_heads: 12, rope_theta: 10000 }
    expect(() => ropeConfigFromHuggingFace(file)).toThrow(RangeError)
    expect(() => ropeConfigFromHuggingFace(file)).toThrow(`model_type ${model_type} `)
  })
  test('an unknown one that states no rotary setting', () => {
    const file = { model_type: 'newest', hidden_size: 768, num_attention_heads: 12 }
    expect(() => ropeConfigFromHuggingFace(file)).toThrow(/newest is not known here/)
    expect(ropeConfigFromHuggingFace({ ...file, rope_theta: 500 }).base).toBe(500)
  })
  test.each(['mistral4', 'ministral3'])(
    '%s, whose queries are scaled by position',
    (model_type) => {
      expect(() => ropeConfigFromHuggingFace({ model_type })).toThrow(/llama_4_scaling_beta/)
    },
  )
})

/** base ** (-2j / dims), as the model files write it. */
const powers = (base: number, dims: number): number[] =>
  Array.from({ length: dims / 2 }, (_, pair) => base ** ((-2 * pair) / dims))
const frequencies = (config: RopeConfig, sequenceLength = 0): number[] =>
  Array.from(ropeFrequencies(config, { sequenceLength }).inverseFrequencies)
/** The largest relative difference; infinite where the numbers are not as many. */
function difference(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) return Infinity
  return Math.max(...actual.map((value, at) => Math.abs(value / expected[at]! - 1)))
}

describe('settings as models publish them', () => {
  test('Llama 4 Scout: equal bounds leave no ramp; every fourth layer does not turn', () => {
    const file = {
      model_type: 'llama4_text',
      head_dim: 128,
      hidden_size: 5120,
      num_attention_heads: 40,
      rope_theta: 500000,
      max_position_embeddings: 10485760,
      rope_scaling: {
        factor: 16,
        high_freq_factor: 1,
        low_freq_factor: 1,
        original_max_position_embeddings: 8192,
        rope_type: 'llama3',
      },
    }
    const config = ropeConfigFromHuggingFace(file, { layerIndex: 0 })
    expect(config.layout).toBe('interleaved')
    const expected = powers(500000, 128).map((f) => ((2 * Math.PI) / f < 8192 ? f : f / 16))
    expect(difference(frequencies(config), expected)).toBeLessThan(1e-12)
    const fourth = ropeConfigFromHuggingFace(file, { layerIndex: 3 })
    expect(frequencies(fourth).every((value) => value === 0)).toBe(true)
    expect(() => ropeConfigFromHuggingFace(file)).toThrow(/layerIndex must say/)
  })

  test('Phi-3.5-MoE brings its own factors on cosine and sine', () => {
    const ones = new Array(64).fill(1)
    const config = ropeConfigFromHuggingFace({
      model_type: 'phimoe',
      hidden_size: 4096,
      num_attention_heads: 32,
      rope_theta: 10000,
      max_position_embeddings: 131072,
      original_max_position_embeddings: 4096,
      rope_scaling: {
        long_factor: ones,
        short_factor: ones,
        long_mscale: 1.243163121016122,
        short_mscale: 1.25,
        original_max_position_embeddings: 4096,
        type: 'longrope',
      },
    })
    const factor = (sequenceLength: number): number =>
      ropeFrequencies(config, { sequenceLength }).attentionFactor
    expect([factor(4096), factor(4097)]).toEqual([1.25, 1.243163121016122])
  })

  test('GLM-4-9B in both forms turns half of each head in pairs', () => {
    const converted = ropeConfigFromHuggingFace({
      model_type: 'glm',
      head_dim: 128,
      hidden_size: 4096,
      num_attention_heads: 32,
      rope_theta: 5000000,
      max_position_embeddings: 131072,
    })
    const original = ropeConfigFromHuggingFace({
      model_type: 'chatglm',
      kv_channels: 128,
      hidden_size: 4096,
      num_attention_heads: 32,
      original_rope: true,
      rope_ratio: 500,
      seq_length: 131072,
    })
    for (const config of [converted, original]) {
      expect(config).toMatchObject({ layout: 'interleaved', rotaryDim: 64 })
      expect(difference(frequencies(config), powers(5e6, 64))).toBeLessThan(1e-12)
    }
  })

  test('Gemma 3 27B scales its full layers only, by the bases of its class', () => {
    const file = {
      model_type: 'gemma3_text',
      head_dim: 128,
      hidden_size: 5376,
      num_attention_heads: 32,
      num_key_value_heads: 16,
      query_pre_attn_scalar: 168,
      rope_scaling: { factor: 8, rope_type: 'linear' },
      sliding_window: 1024,
    }
    const read = (layerType: string): number[] =>
      frequencies(ropeConfigFromHuggingFace(file, { layerType }))
    expect(
      difference(
        read('full_attention'),
        powers(1e6, 128).map((f) => f / 8),
      ),
    ).toBeLessThan(1e-12)
    expect(difference(read('sliding_attention'), powers(1e4, 128))).toBeLessThan(1e-12)
    expect(
      difference(
        frequencies(ropeConfigFromHuggingFace(file, { layerIndex: 5 })),
        read('full_attention'),
      ),
    ).toBeLessThan(1e-12)
    expect(() => ropeConfigFromHuggingFace(file)).toThrow(/layerType must be one of/)
    expect(() => ropeConfigFromHuggingFace({ model_type: 'gemma3', text_config: file })).toThrow(
      /layerType must be one of/,
    )
  })

  test('GLM-4.5 turns half of each head, not in pairs (its class by itself has heads of 42)', () => {
    const config = ropeConfigFromHuggingFace({ model_type: 'glm4_moe', head_dim: 128 })
    expect(config).toMatchObject({ layout: 'half', rotaryDim: 64, base: 10000 })
  })

  test('RoFormer turns neighbouring elements', () => {
    const file = { model_type: 'roformer', hidden_size: 768, num_attention_heads: 12 }
    expect(ropeConfigFromHuggingFace(file).layout).toBe('interleaved')
    expect(() => ropeConfigFromHuggingFace({ ...file, rotary_value: true })).toThrow(/rotary_value/)
  })

  test('SmolLM3 does not turn in the layers marked 0', () => {
    const file = {
      model_type: 'smollm3',
      head_dim: 128,
      rope_theta: 5000000,
      no_rope_layers: [1, 1, 1, 0],
    }
    expect(
      difference(frequencies(ropeConfigFromHuggingFace(file, { layerIndex: 2 })), powers(5e6, 128)),
    ).toBeLessThan(1e-12)
    const still = frequencies(ropeConfigFromHuggingFace(file, { layerIndex: 3 }))
    expect(still.every((value) => value === 0)).toBe(true)
    expect(() => ropeConfigFromHuggingFace(file)).toThrow(/layerIndex/)
    expect(() => ropeConfigFromHuggingFace(file, { layerIndex: 4 })).toThrow(/layerIndex/)
    const all = { ...file, no_rope_layers: [1, 1, 1, 1] }
    expect(difference(frequencies(ropeConfigFromHuggingFace(all)), powers(5e6, 128))).toBeLessThan(
      1e-12,
    )
  })

  test('Hunyuan raises its base by alpha, once', () => {
    const config = ropeConfigFromHuggingFace({
      model_type: 'hunyuan_v1_dense',
      head_dim: 128,
      rope_theta: 10000,
      max_position_embeddings: 32768,
      rope_scaling: {
        type: 'dynamic',
        alpha: 1000,
        factor: 1,
        beta_fast: 32,
        beta_slow: 1,
        mscale: 1,
        mscale_all_dim: 1,
      },
    })
    expect(
      difference(frequencies(config, 100000), powers(10000 * 1000 ** (128 / 126), 128)),
    ).toBeLessThan(1e-12)
  })

  test('mscale_all_dim scales scores in DeepSeek and not in Qwen', () => {
    const rope_scaling = {
      type: 'yarn',
      factor: 40,
      original_max_position_embeddings: 4096,
      mscale: 1,
      mscale_all_dim: 1,
    }
    const scale = (model_type: string): number =>
      yarnScoreScale(ropeConfigFromHuggingFace({ model_type, rope_scaling }) as YarnRope)
    expect(scale('deepseek_v3')).toBeCloseTo((0.1 * Math.log(40) + 1) ** 2, 12)
    expect(scale('qwen3')).toBe(1)
  })
})

describe('settings that are not understood', () => {
  const llama = { model_type: 'llama', head_dim: 64 }
  test.each([
    [
      { ...llama, rope_scaling: { rope_type: 'linear', factor: 4, some_new_factor: 2 } },
      'some_new_factor',
    ],
    [{ ...llama, rope_scaling: { rope_type: 'default', factor: 4 } }, 'factor'],
    [{ ...llama, rope_parameters: { rope_type: 'yarn', factor: 4, alpha: 1 } }, 'alpha'],
    [{ ...llama, rope_scaling: { type: 'dynamic', factor: 4, alpha: 10 } }, 'alpha'],
    [{ ...llama, rotary_base_growth: 2 }, 'rotary_base_growth'],
    [{ ...llama, no_rope_layers: [0, 1] }, 'no_rope_layers'],
    [{ model_type: 'chatglm', original_rope: 'new' }, 'original_rope'],
  ])('%j', (file, name) => {
    expect(() => ropeConfigFromHuggingFace(file)).toThrow(RangeError)
    expect(() => ropeConfigFromHuggingFace(file)).toThrow(name)
  })

  test('a layerType that the model does not have', () => {
    expect(() => ropeConfigFromHuggingFace(llama, { layerType: 'nonsense' })).toThrow(
      /layerType must be one of full_attention, got "nonsense"/,
    )
    const qwen = { model_type: 'qwen3_next', layer_types: ['linear_attention', 'full_attention'] }
    expect(() => ropeConfigFromHuggingFace(qwen, { layerIndex: 0 })).toThrow(/have no scores/)
    expect(() =>
      ropeConfigFromHuggingFace(qwen, { layerIndex: 1, layerType: 'linear_attention' }),
    ).toThrow(/layer 1 is of type full_attention/)
  })

  test('an option that does not exist', () => {
    const options = { layertype: 'full_attention' } as object
    expect(() => ropeConfigFromHuggingFace(llama, options)).toThrow(TypeError)
  })
})
