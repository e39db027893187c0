import { describe, expect, test } from 'vitest'
import { ropeConfigFromHuggingFace, ropeFrequencies } from '../src/index.ts'
import { goldenRopes } from './golden.ts'

describe('golden frequencies, read from a config.json', () => {
  test.each(goldenRopes)('$type at $sequenceLength', (golden) => {
    const geometry = {
      hidden_size: golden.headDim * 4,
      num_attention_heads: 4,
      max_position_embeddings: golden.maxPositionEmbeddings,
    }
    const { rope_theta, ...scaling } = golden.parameters
    const { rope_type: type, ...rest } = scaling
    const files = [
      { ...geometry, rope_parameters: golden.parameters },
      { ...geometry, rope_theta, rope_scaling: scaling },
      { ...geometry, rope_theta, rope_scaling: { type, ...rest } },
    ]
    for (const file of files) {
      const { inverseFrequencies, attentionFactor } = ropeFrequencies(
        ropeConfigFromHuggingFace(file),
        golden.sequenceLength === null ? {} : { sequenceLength: golden.sequenceLength },
      )
      expect(inverseFrequencies).toHaveLength(golden.inverseFrequencies.length)
      inverseFrequencies.forEach((value, pair) => {
        expect(Math.abs(value / golden.inverseFrequencies[pair]! - 1)).toBeLessThan(1e-6)
      })
      expect(Math.abs(attentionFactor / golden.attentionFactor - 1)).toBeLessThan(1e-12)
    }
  })

  test('cover every kind of scaling that config files name', () => {
    expect(new Set(goldenRopes.map(({ type }) => type))).toEqual(
      new Set(['linear', 'dynamic', 'yarn', 'longrope', 'llama3']),
    )
  })
})

const llama = { model_type: 'llama', hidden_size: 256, num_attention_heads: 4 }

describe('geometry', () => {
  test.each([
    ['plain', llama, { headDim: 64, base: 10000, rotaryDim: 64, layout: 'half' }],
    ['head_dim wins', { ...llama, head_dim: 96 }, { headDim: 96, rotaryDim: 96 }],
    ['head_dim null', { ...llama, head_dim: null }, { headDim: 64 }],
    ['Phi', { ...llama, head_dim: 80, partial_rotary_factor: 0.4 }, { rotaryDim: 32 }],
    [
      'GPT-NeoX',
      { ...llama, rotary_pct: 0.25, rotary_emb_base: 500 },
      { base: 500, rotaryDim: 16, layout: 'half' },
    ],
    [
      'GPT-J',
      { model_type: 'gptj', n_embd: 4096, n_head: 16, n_positions: 2048, rotary_dim: 64 },
      { headDim: 256, rotaryDim: 64, layout: 'interleaved' },
    ],
    [
      'DeepSeek V3',
      { ...llama, model_type: 'deepseek_v3', qk_rope_head_dim: 64, qk_nope_head_dim: 128 },
      { headDim: 64, rotaryDim: 64, layout: 'interleaved' },
    ],
    [
      'DeepSeek V3, converted',
      { ...llama, model_type: 'deepseek_v3', qk_rope_head_dim: 64, rope_interleave: false },
      { layout: 'half' },
    ],
    ['Cohere', { ...llama, model_type: 'cohere' }, { layout: 'interleaved' }],
    [
      'rope_parameters win over the top level',
      {
        ...llama,
        rope_theta: 1,
        rope_parameters: { rope_type: 'default', rope_theta: 500, partial_rotary_factor: 0.5 },
      },
      { base: 500, rotaryDim: 32 },
    ],
  ])('%s', (_, file, expected) => {
    expect(ropeConfigFromHuggingFace(file)).toMatchObject({ type: 'default', ...expected })
  })

  test('an explicit layout wins', () => {
    const file = { ...llama, model_type: 'cohere' }
    expect(ropeConfigFromHuggingFace(file, { layout: 'half' }).layout).toBe('half')
  })

  test('proportional rope keeps the whole head and turns a part of its pairs', () => {
    const config = ropeConfigFromHuggingFace({
      ...llama,
      rope_parameters: { rope_type: 'proportional', rope_theta: 1e6, partial_rotary_factor: 0.25 },
    })
    expect(config).toEqual({
      type: 'proportional',
      headDim: 64,
      rotaryDim: 64,
      base: 1e6,
      layout: 'half',
      fraction: 0.25,
    })
  })
})

describe('layers that differ', () => {
  const nested = {
    ...llama,
    max_position_embeddings: 131072,
    rope_parameters: {
      full_attention: { rope_type: 'linear', rope_theta: 1e6, factor: 8 },
      sliding_attention: { rope_type: 'default', rope_theta: 10000 },
    },
  }
  const gemma3 = {
    ...llama,
    rope_theta: 1e6,
    rope_local_base_freq: 10000,
    rope_scaling: { rope_type: 'linear', factor: 8 },
  }
  const modernBert = { ...llama, global_rope_theta: 160000, local_rope_theta: 10000 }

  test.each([
    ['nested', nested, { type: 'linear', base: 1e6, factor: 8 }],
    ['Gemma 3 before transformers 5', gemma3, { type: 'linear', base: 1e6, factor: 8 }],
    ['ModernBERT', modernBert, { type: 'default', base: 160000 }],
  ])('%s', (_, file, full) => {
    expect(ropeConfigFromHuggingFace(file, { layerType: 'full_attention' })).toMatchObject(full)
    expect(ropeConfigFromHuggingFace(file, { layerType: 'sliding_attention' })).toMatchObject({
      type: 'default',
      base: 10000,
    })
    expect(() => ropeConfigFromHuggingFace(file)).toThrow(
      /layerType must be .*full_attention.*sliding_attention.*got undefined/,
    )
  })
})

describe('quirks', () => {
  const lists = { short_factor: new Array(32).fill(1), long_factor: new Array(32).fill(2) }

  test.each(['su', 'yarn', 'longrope'])('Phi-3 as %s is LongRoPE, its factor the ratio', (type) => {
    const config = ropeConfigFromHuggingFace({
      ...llama,
      max_position_embeddings: 131072,
      original_max_position_embeddings: 4096,
      rope_scaling: { type, ...lists },
    })
    expect(config).toMatchObject({ type: 'longrope', factor: 32, trainedLength: 4096 })
  })

  test('a YaRN file without factor takes the ratio of the lengths; truncate false is kept', () => {
    const config = ropeConfigFromHuggingFace({
      ...llama,
      max_position_embeddings: 131072,
      rope_parameters: {
        rope_type: 'yarn',
        rope_theta: 150000,
        factor: null,
        original_max_position_embeddings: 4096,
        truncate: false,
      },
    })
    expect(config).toMatchObject({ type: 'yarn', factor: 32, truncate: false, base: 150000 })
  })
})

test.each([
  [{ ...llama, rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] } }, /mrope_section/],
  [
    { ...llama, rope_parameters: { rope_type: 'spiral' } },
    /rope_type must be default, linear, .* got "spiral"/,
  ],
  [{ ...llama, rope_scaling: { type: 'linear' } }, /factor must be a number, got undefined/],
  [{ ...llama, rope_scaling: { type: 'linear', factor: '8' } }, /factor must be a number, got "8"/],
  [{ ...llama, rope_scaling: [1] }, /rope_parameters must be an object/],
  [{ num_attention_heads: 4, rope_theta: 500 }, /hidden_size must be a number, got undefined/],
  [
    { head_dim: 64, rope_scaling: { type: 'longrope', factor: 2 } },
    /max_position_embeddings must be a number/,
  ],
  [
    { head_dim: 64, rope_scaling: { type: 'dynamic', factor: 2 } },
    /max_position_embeddings must be a number/,
  ],
  [{ ...llama, rope_theta: 0 }, /base must be a number above 1, got 0/],
])('refuses %j', (file, message) => {
  expect(() => ropeConfigFromHuggingFace(file)).toThrow(RangeError)
  expect(() => ropeConfigFromHuggingFace(file)).toThrow(message)
})
