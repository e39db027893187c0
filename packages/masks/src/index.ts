/**
 * Sparse attention patterns as expressions: sliding window, strided, BigBird and more, with analysis
 * and pictures.
 *
 * @packageDocumentation
 */
export { componentsOf, pattern, patternOf } from './pattern.ts'
export type { Pattern } from './pattern.ts'
export { and, not, or } from './combine/logic.ts'
export { perHead } from './combine/per-head.ts'

export { attentionSinks } from './patterns/attention-sinks.ts'
export type { AttentionSinksOptions } from './patterns/attention-sinks.ts'
export { axial } from './patterns/axial.ts'
export { bigBird } from './patterns/big-bird.ts'
export type { BigBirdOptions } from './patterns/big-bird.ts'
export { bigBirdTokens } from './patterns/big-bird-tokens.ts'
export type { BigBirdTokensOptions } from './patterns/big-bird-tokens.ts'
export { blockDiagonal } from './patterns/block-diagonal.ts'
export { causal } from './patterns/causal.ts'
export { deepSpeedFixed } from './patterns/deep-speed/fixed.ts'
export type { DeepSpeedFixedOptions } from './patterns/deep-speed/fixed.ts'
export type {
  DeepSpeedAttention,
  DeepSpeedGlobalBlocks,
  DeepSpeedOptions,
} from './patterns/deep-speed/layout.ts'
export {
  deepSpeedBigBird,
  deepSpeedBSLongformer,
  deepSpeedLocalSlidingWindow,
} from './patterns/deep-speed/sliding.ts'
export type {
  DeepSpeedBigBirdOptions,
  DeepSpeedBSLongformerOptions,
  DeepSpeedLocalSlidingWindowOptions,
} from './patterns/deep-speed/sliding.ts'
export { deepSpeedVariable } from './patterns/deep-speed/variable.ts'
export type { DeepSpeedVariableOptions } from './patterns/deep-speed/variable.ts'
export { dilatedWindow } from './patterns/dilated-window.ts'
export type { DilatedWindowOptions } from './patterns/dilated-window.ts'
export { document, sameDocument } from './patterns/document.ts'
export type { DocumentLayout, PerSequence } from './patterns/document.ts'
export { fixed } from './patterns/fixed.ts'
export type { FixedOptions } from './patterns/fixed.ts'
export { globalTokens } from './patterns/global-tokens.ts'
export type { GlobalTokensOptions } from './patterns/global-tokens.ts'
export { longformer } from './patterns/longformer.ts'
export type { LongformerOptions } from './patterns/longformer.ts'
export { neighbourhood } from './patterns/neighbourhood.ts'
export type { NeighbourhoodOptions } from './patterns/neighbourhood.ts'
export { prefixLm } from './patterns/prefix-lm.ts'
export { randomKeys } from './patterns/random-keys.ts'
export type { RandomKeysOptions } from './patterns/random-keys.ts'
export { sharedPrefix } from './patterns/shared-prefix.ts'
export type { SharedPrefixOptions } from './patterns/shared-prefix.ts'
export { slidingWindow } from './patterns/sliding-window.ts'
export { strided } from './patterns/strided.ts'
export type { StridedOptions } from './patterns/strided.ts'
export { tree } from './patterns/tree.ts'
export type { TreeOptions } from './patterns/tree.ts'

export { maskFromBlocks } from './from/blocks.ts'
export type { BlockPredicate, MaskFromBlocksOptions } from './from/blocks.ts'
export { maskFromMatrix } from './from/matrix.ts'

export { factorization } from './factorize/factorization.ts'
export type { Factorization } from './factorize/factorization.ts'
export type { MissingPair, Reach, ReachOptions } from './factorize/reach.ts'
export { balancedStride } from './factorize/stride.ts'

export type { PlaneOptions } from './analyze/plane.ts'
export { complexityExponent, maskStatistics } from './analyze/statistics.ts'
export type { ComplexityOptions, MaskStatistics, StatisticsOptions } from './analyze/statistics.ts'

export { gridSvg } from './render/grid-svg.ts'
export type { GridSvgOptions } from './render/grid-svg.ts'
export { matrixSvg } from './render/matrix-svg.ts'
export type { MatrixSvgOptions } from './render/matrix-svg.ts'
export { gridText, matrixText } from './render/text.ts'
export type { GridOptions, MatrixTextOptions } from './render/text.ts'
export { profileSvg } from './render/profile-svg.ts'
export type { ProfileSvgOptions } from './render/profile-svg.ts'
export { sparsityProfile } from './analyze/sparsity-profile.ts'
export type { PositionPlace } from './analyze/weight-places.ts'
export type {
  HeadProfile,
  SparsityProfile,
  SparsityProfileOptions,
  WeightPlace,
  WeightShares,
} from './analyze/sparsity-profile.ts'
