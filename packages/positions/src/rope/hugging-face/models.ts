// What a model's Python class knows and its config.json may leave out: bases, partial factors, head
// sizes, which elements are pairs, which layers turn. Read off transformers 5.17.0, one line a
// `model_type`, each in models/<folder>/configuration_*.py and modeling_*.py there; the test compares
// every line with what those classes computed.
import type { JsonRecord } from '../json.ts'

/** Defaults of a model class, and how its code differs from Llama's. */
export interface ModelRope {
  /** Width of a head where the class states one. */
  readonly head?: number
  /** Else what it follows from: hidden_size / num_attention_heads. */
  readonly hidden?: number
  readonly heads?: number
  /** Width of the heads of full_attention layers (`global_head_dim`). Default: as the others. */
  readonly fullHead?: number
  /** The rotary part of a head is a tensor of its own, `qk_rope_head_dim` wide. */
  readonly separate?: boolean
  /** max_position_embeddings. */
  readonly length?: number
  /** rope_theta. Default: 10000. */
  readonly base?: number
  /** rope_theta of the two kinds of layers, where they differ. */
  readonly bases?: { readonly full: number; readonly sliding: number }
  /** partial_rotary_factor. Default: 1. */
  readonly fraction?: number
  /** rotary_dim. */
  readonly rotaryDim?: number
  /** Whether elements 2j and 2j + 1 are pairs, and not j and j + d / 2. */
  readonly interleaved?: boolean
  /** Whether attention multiplies its scale by the square of the `mscale_all_dim` temperature. */
  readonly scalesScores?: boolean
  /** Whether the scaling of `rope_scaling` is for full_attention layers only. Default: true. */
  readonly scalesFullOnly?: boolean
  /** rope_parameters where the file has none. */
  readonly parameters?: JsonRecord
  /** Which layers do not turn: all of a type, or those marked 0 in `no_rope_layers`. */
  readonly unrotated?: 'full_attention' | 'listed'
  /** Without `layer_types`, every n-th layer (the last of n) is full_attention. */
  readonly fullEvery?: number
  /** The same, but the first of n. */
  readonly fullFirst?: number
  /** Without `no_rope_layers`, every n-th layer (the last of n) does not turn. */
  readonly listEvery?: number
  /** The class turns only where this setting has this value. */
  readonly only?: { readonly key: string; readonly value: unknown; readonly otherwise: unknown }
  /** Scaling settings that the files of this model have and its code does not read. */
  readonly ignores?: readonly string[]
}

const hunyuanIgnores = ['factor', 'beta_fast', 'beta_slow', 'mscale', 'mscale_all_dim']
const gemma4Parameters = {
  sliding_attention: { rope_type: 'default', rope_theta: 10000 },
  full_attention: { rope_type: 'proportional', partial_rotary_factor: 0.25, rope_theta: 1000000 },
}

/** By `model_type`. */
// prettier-ignore
export const rotaryModels: Readonly<Record<string, ModelRope>> = {
  afmoe: { head: 128, length: 16384, unrotated: 'full_attention' },
  apertus: { hidden: 4096, heads: 32, length: 65536, base: 12000000, parameters: { rope_type: 'llama3', factor: 8, original_max_position_embeddings: 8192, low_freq_factor: 1, high_freq_factor: 4 } },
  arcee: { hidden: 2560, heads: 32, length: 4096 },
  bamba: { hidden: 4096, heads: 32, length: 262144, fraction: 0.5 },
  bitnet: { hidden: 2560, heads: 20, length: 2048, base: 500000 },
  codegen: { hidden: 4096, heads: 16, interleaved: true, rotaryDim: 64 },
  cohere: { hidden: 8192, heads: 64, length: 8192, base: 500000, interleaved: true },
  cohere2: { hidden: 8192, heads: 64, length: 8192, interleaved: true, unrotated: 'full_attention', fullEvery: 4 },
  cwm: { head: 128, length: 131072, base: 1000000, parameters: { rope_type: 'llama3', factor: 16, original_max_position_embeddings: 8192, low_freq_factor: 1, high_freq_factor: 4 } },
  deepseek_v2: { head: 64, separate: true, length: 2048, interleaved: true, scalesScores: true },
  deepseek_v3: { head: 64, separate: true, length: 4096, interleaved: true, scalesScores: true },
  deepseek_v32: { head: 64, separate: true, length: 163840, interleaved: true, scalesScores: true },
  diffllama: { hidden: 2048, heads: 32, length: 2048 },
  dots1: { hidden: 4608, heads: 32, length: 2048 },
  ernie4_5: { head: 128, length: 131072, base: 500000, interleaved: true },
  ernie4_5_moe: { hidden: 2560, heads: 20, length: 131072, base: 500000, interleaved: true },
  esm: { hidden: 768, heads: 12, length: 1026, only: { key: 'position_embedding_type', value: 'rotary', otherwise: 'absolute' } },
  eurobert: { hidden: 768, heads: 12, length: 8192 },
  exaone4: { hidden: 4096, heads: 32, length: 2048, unrotated: 'full_attention' },
  exaone_moe: { hidden: 4096, heads: 32, length: 2048, unrotated: 'full_attention' },
  falcon: { hidden: 4544, heads: 71, length: 2048, only: { key: 'alibi', value: false, otherwise: false } },
  falcon_h1: { hidden: 4096, heads: 32, length: 8192 },
  flex_olmo: { hidden: 4096, heads: 32, length: 4096, base: 500000 },
  gemma: { head: 256, length: 8192 },
  gemma2: { head: 256, length: 8192 },
  gemma3_text: { head: 256, length: 131072, bases: { full: 1000000, sliding: 10000 }, fullEvery: 6 },
  gemma3n_text: { head: 256, length: 32768, bases: { full: 1000000, sliding: 10000 }, fullEvery: 5 },
  gemma4_text: { head: 256, fullHead: 512, length: 131072, fullEvery: 6, parameters: gemma4Parameters },
  glm: { head: 128, length: 131072, fraction: 0.5, interleaved: true },
  glm4: { head: 128, length: 131072, fraction: 0.5, interleaved: true },
  glm4_moe: { hidden: 4096, heads: 96, length: 131072, fraction: 0.5 },
  glm4_moe_lite: { head: 64, separate: true, length: 202752, interleaved: true, scalesScores: true },
  glm_moe_dsa: { head: 64, separate: true, length: 202752, interleaved: true, scalesScores: true },
  gpt_neox: { hidden: 6144, heads: 64, length: 2048, fraction: 0.25 },
  gpt_oss: { head: 64, length: 131072, base: 150000, parameters: { rope_type: 'yarn', factor: 32, beta_fast: 32, beta_slow: 1, truncate: false, original_max_position_embeddings: 4096 } },
  gptj: { hidden: 4096, heads: 16, interleaved: true, rotaryDim: 64 },
  granite: { hidden: 4096, heads: 32, length: 2048 },
  granitemoe: { hidden: 4096, heads: 32, length: 2048 },
  granitemoehybrid: { hidden: 4096, heads: 32, length: 2048, only: { key: 'position_embedding_type', value: 'rope', otherwise: null } },
  granitemoeshared: { hidden: 4096, heads: 32, length: 2048 },
  helium: { head: 128, length: 4096, base: 100000, interleaved: true },
  hunyuan_v1_dense: { hidden: 4096, heads: 32, length: 2048, ignores: hunyuanIgnores },
  hunyuan_v1_moe: { hidden: 4096, heads: 32, length: 2048, ignores: hunyuanIgnores },
  jetmoe: { head: 128, length: 4096 },
  lfm2: { hidden: 2560, heads: 32, length: 128000, base: 1000000 },
  lfm2_moe: { hidden: 2048, heads: 32, length: 128000, base: 1000000 },
  llama: { hidden: 4096, heads: 32, length: 2048 },
  llama4_text: { head: 128, length: 131072, base: 500000, interleaved: true, unrotated: 'listed', listEvery: 4 },
  longcat_flash: { head: 64, separate: true, length: 131072, base: 10000000, interleaved: true, scalesScores: true },
  minimax: { hidden: 4096, heads: 32, length: 131072, base: 1000000 },
  minimax_m2: { head: 128, length: 196608, base: 5000000 },
  ministral: { hidden: 4096, heads: 32, length: 131072 },
  ministral3: { head: 128, length: 262144, base: 1000000, parameters: { rope_type: 'yarn', factor: 16, original_max_position_embeddings: 16384, llama_4_scaling_beta: 0.1 } },
  mistral: { hidden: 4096, heads: 32, length: 131072 },
  mistral4: { head: 64, separate: true, length: 1048576, fraction: 0.5, interleaved: true, scalesScores: true, parameters: { rope_type: 'yarn', factor: 128, original_max_position_embeddings: 8192, mscale: 1, mscale_all_dim: 1, llama_4_scaling_beta: 0.1 } },
  mixtral: { hidden: 4096, heads: 32, length: 131072, base: 1000000 },
  modernbert: { hidden: 768, heads: 12, length: 8192, bases: { full: 160000, sliding: 10000 }, fullFirst: 3, scalesFullOnly: false },
  'modernbert-decoder': { hidden: 768, heads: 12, length: 8192, bases: { full: 160000, sliding: 10000 }, fullFirst: 3, scalesFullOnly: false },
  nanochat: { hidden: 768, heads: 6, length: 2048 },
  nemotron: { hidden: 6144, heads: 48, length: 4096, fraction: 0.5 },
  nomic_bert: { hidden: 768, heads: 12, length: 2048, base: 1000 },
  olmo: { hidden: 4096, heads: 32, length: 2048 },
  olmo2: { hidden: 4096, heads: 32, length: 2048 },
  olmo3: { hidden: 4096, heads: 32, length: 2048, bases: { full: 500000, sliding: 500000 }, fullEvery: 4 },
  olmo_hybrid: { hidden: 3840, heads: 30, length: 65536 },
  olmoe: { hidden: 2048, heads: 16, length: 4096 },
  persimmon: { hidden: 4096, heads: 64, length: 16384, fraction: 0.5 },
  phi: { hidden: 2048, heads: 32, length: 2048, fraction: 0.5 },
  phi3: { hidden: 3072, heads: 32, length: 4096 },
  phi4_multimodal: { hidden: 3072, heads: 32, length: 131072 },
  phimoe: { hidden: 4096, heads: 32, length: 131072, base: 1000000 },
  qwen2: { hidden: 4096, heads: 32, length: 32768 },
  qwen2_moe: { hidden: 2048, heads: 16, length: 32768 },
  qwen2_vl_text: { hidden: 8192, heads: 64, length: 32768, base: 1000000 },
  qwen2_5_vl_text: { hidden: 8192, heads: 64, length: 32768, base: 1000000 },
  qwen3: { head: 128, length: 32768 },
  qwen3_moe: { hidden: 2048, heads: 32, length: 32768 },
  qwen3_next: { head: 256, length: 32768, fraction: 0.25 },
  qwen3_5_text: { head: 256, length: 32768, fraction: 0.25 },
  qwen3_5_moe_text: { head: 256, length: 32768, fraction: 0.25 },
  qwen3_vl_text: { head: 128, length: 128000, base: 500000 },
  recurrent_gemma: { head: 256, fraction: 0.5 },
  roformer: { hidden: 768, heads: 12, length: 1536, interleaved: true },
  seed_oss: { head: 128, length: 524288 },
  smollm3: { hidden: 2048, heads: 16, length: 32768, base: 2000000, unrotated: 'listed', listEvery: 4 },
  solar_open: { head: 128, length: 131072, base: 1000000 },
  stablelm: { hidden: 2560, heads: 32, length: 4096, fraction: 0.25 },
  starcoder2: { hidden: 3072, heads: 24, length: 4096 },
  vaultgemma: { head: 256, length: 8192 },
  youtu: { head: 64, separate: true, length: 131072, interleaved: true, scalesScores: true },
  zamba2: { hidden: 2560, heads: 32, length: 4096, only: { key: 'use_mem_rope', value: true, otherwise: false } },
  // Remote code: THUDM's first GLM-4, whose names are its own.
  chatglm: { hidden: 4096, heads: 32, fraction: 0.5, interleaved: true },
  // Remote code, DeepSeek V3's.
  kimi_k2: { head: 64, separate: true, length: 131072, base: 50000, interleaved: true, scalesScores: true },
}
