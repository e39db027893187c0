/**
 * FlashAttention on WebGPU: exact attention that never stores the score matrix, dense and
 * block-sparse, in browsers and in Node.
 *
 * @packageDocumentation
 */
// oxlint-disable-next-line unicorn/require-module-specifiers -- for its declarations
export type {} from './device/webgpu-types.ts'
export { createFlashAttention } from './run/flash-attention.ts'
export type {
  FlashAttention,
  CreateFlashAttentionOptions,
} from './run/flash-attention-interface.ts'
export type { AttentionPlan } from './run/attention-plan-interface.ts'
export type {
  ForwardInputs,
  ForwardOutputs,
  ForwardRequest,
} from './run/forward/forward-tensors.ts'
export type { PlanBackward } from './run/backward/plan-backward.ts'
export type { PlanWeights } from './run/weights/plan-weights.ts'
export type { WeightsInputs, WeightsOutput } from './run/weights/weights-tensors.ts'
export type { BackwardInputs, BackwardOutputs } from './run/backward/backward-tensors.ts'
export { biasFromGpuTensor } from './gpu-bias.ts'
export type { GpuBiasOptions } from './gpu-bias.ts'
export { gpuTensor } from './gpu-tensor.ts'
export type { GpuTensor, GpuTensorOptions } from './gpu-tensor.ts'
export { quantizedTensor } from './quantized-tensor.ts'
export type { QuantizedParts } from './quantized-tensor.ts'
export type { PlanOptions } from './plan/plan-options.ts'
export type { CallOptions, RopeOption, RopeSides } from './plan/rotate/rope-options.ts'
export type { RopeExplanation } from './plan/rotate/explain-rope.ts'
export type { RotaryPositions } from './plan/rotate/rotary-words.ts'
export type {
  CacheInputs,
  CacheTokens,
  KeyValueCache,
  KeyValueCacheOptions,
} from './run/cache/kv-cache-options.ts'
export type { KeyPlaces, PagePlaces, RingPlaces } from './plan/decode/key-places.ts'
export type { KeptIndices } from './run/cache/kept-tokens.ts'
export type { PageOptions } from './run/cache/page-places.ts'
export type { RingOptions } from './run/cache/ring-places.ts'
export type { AppendedTokens } from './run/cache/appended-tokens.ts'
export type { PartialAttention } from './run/merge/merge-tensors.ts'
export type { GpuRotateOptions } from './run/rotate/rotate-tensor.ts'
export { formatExplanation } from './plan/format-explanation.ts'
export type {
  DecodeExplanation,
  ExplainedTile,
  PlanExplanation,
  PlannedCall,
} from './plan/explanation.ts'
export type { WantedDecodeTile } from './plan/decode/wanted-decode-tile.ts'
export type { DecodeTile } from './plan/decode/decode-tile.ts'
export type { DecodeIntegersTile, WantedIntegers } from './plan/decode/decode-integers-tile.ts'
export type { DecodeMatrixTile } from './plan/decode/decode-matrix-tile.ts'
export type { BackwardTiles, GradientTile } from './plan/backward/gradient-tile.ts'
export type {
  BackwardExplanation,
  BackwardVariant,
  GradientExplanation,
} from './plan/backward/explain-backward.ts'
export type { BackwardTile } from './plan/backward/backward-tile.ts'
export type { GradientMatrixTile } from './plan/backward/gradient-matrix-tile.ts'
export type { SplitMatrixTile } from './plan/backward/split-matrix-tile.ts'
export type { MatrixShape, MatrixTile } from './plan/forward/matrix-tile.ts'
export type { MatrixTileSizes } from './plan/forward/matrix-tile-sizes.ts'
export type { ForwardTile } from './plan/forward/tiles.ts'
export type { DiagnosedKernel, DiagnosedResult, Diagnosis } from './diagnose/diagnosis.ts'
export type { TuneOptions, TuneProgress, TuneShape } from './tune/tune.ts'
export type {
  MeasuredTile,
  SkippedTile,
  TunedDevice,
  TunedKernel,
  TuningClock,
  TuningEntry,
  TuningRecord,
  TuningSchema,
} from './tune/record.ts'
export type { BackwardKernelTile, ForwardKernelTile } from './plan/tuning.ts'
export {
  DeviceLostError,
  GpuInternalError,
  GpuOutOfMemoryError,
  GpuValidationError,
} from './device/errors.ts'
export { isSoftware } from './device/software.ts'
export { defaultCapabilities, defaultLimits } from './device/capabilities.ts'
export type { Capabilities, DeviceLimits, SubgroupMatrix } from './device/capabilities.ts'
export type { MemoryUse } from './device/buffers.ts'
export { UnsupportedError } from '@attn/core'
