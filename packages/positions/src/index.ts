/**
 * Position methods for transformers: sinusoidal, ALiBi, T5 bias, RoPE and its length extensions.
 *
 * @packageDocumentation
 */
export type { RotaryEmbedding, RotaryLayout } from '@attn/core'

export { alibi, alibiSlopes } from './alibi.ts'
export type { AlibiOptions, AlibiSideSlopes } from './alibi.ts'
export { t5Bias, t5Bucket } from './t5-bias.ts'
export type { T5Bias, T5BiasOptions, T5BucketOptions } from './t5-bias.ts'

export type {
  ByPartsRope,
  DefaultRope,
  DynamicRope,
  LinearRope,
  Llama3Rope,
  LongRope,
  NtkRope,
  ProportionalRope,
  RopeConfig,
  RopeShape,
  YarnRope,
} from './rope/config.ts'
export { dependsOnLength, ropeFrequencies } from './rope/frequencies.ts'
export type { RopeFrequencies, RopeFrequencyOptions } from './rope/frequencies.ts'
export { rotate, rotateBackward } from './rope/rotate.ts'
export type { RotateOptions } from './rope/rotate.ts'
export type { Positions } from './rope/positions.ts'
export { rotationBetween } from './rope/cache.ts'
export { rotaryTables } from './rope/tables.ts'
export type { RotaryTableOptions, RotaryTables } from './rope/tables.ts'
export { yarnRamp, yarnScoreScale } from './rope/yarn.ts'
export { ropeConfigFromHuggingFace } from './rope/hugging-face.ts'
export type { HuggingFaceRopeOptions } from './rope/hugging-face.ts'
