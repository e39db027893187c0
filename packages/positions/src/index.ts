/**
 * Position methods for transformers: sinusoidal, ALiBi, T5 bias, RoPE and its length extensions.
 *
 * @packageDocumentation
 */
export type { RotaryEmbedding, RotaryLayout } from '@attn/core'

export { alibi, alibiSlopes } from './alibi.ts'
export type { AlibiOptions, AlibiSideSlopes } from './alibi.ts'
export { fire } from './fire.ts'
export type { Fire, FireOptions, FireWeights } from './fire.ts'
export { kerpleLog, kerplePower } from './kerple.ts'
export type { Kerple, KerpleLogOptions, KerplePowerOptions } from './kerple.ts'
export { learnedPositions, learnedPositionsBackward } from './learned.ts'
export type { LearnedOptions } from './learned.ts'
export { sandwich } from './sandwich.ts'
export type { SandwichOptions } from './sandwich.ts'
export { sinusoidal } from './sinusoidal.ts'
export type { SinusoidalOptions } from './sinusoidal.ts'
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
export { ropeConfigFromHuggingFace } from './rope/hugging-face/config-file.ts'
export type { HuggingFaceRopeOptions } from './rope/hugging-face/config-file.ts'
export { rotateXPos, rotateXPosBackward } from './rope/xpos.ts'
export type { XPosOptions } from './rope/xpos.ts'

export { biasMatrix } from './analyze/bias-matrix.ts'
export type { BiasMatrixOptions } from './analyze/bias-matrix.ts'
export { extrapolationExperiment } from './analyze/extrapolation.ts'
export type {
  Extrapolation,
  ExtrapolationExperiment,
  ExtrapolationOptions,
} from './analyze/extrapolation.ts'
export {
  plotBias,
  plotExtrapolation,
  plotRotaryScores,
  plotScoreBound,
  plotWavelengths,
} from './analyze/pictures.ts'
export type { BiasPictureOptions, PictureOptions, RotaryScoreCurve } from './analyze/pictures.ts'
export { scoreAtDistances, scoreWaves } from './analyze/rotary-score.ts'
export type { ScoreWaves } from './analyze/rotary-score.ts'
export { interpolationBound, rotaryScoreBound } from './analyze/score-bound.ts'
export { scoreFit } from './analyze/score-fit.ts'
export type { ScoreFit, ScoreFitOptions } from './analyze/score-fit.ts'
export { wavelengths } from './analyze/wavelengths.ts'
export type { Wavelength } from './analyze/wavelengths.ts'
export { heatMap } from './plot/heat-map.ts'
export type { HeatMapOptions, HeatMapPanel } from './plot/heat-map.ts'
export { linePlot } from './plot/line-plot.ts'
export type { LinePlotOptions, PlotMark, PlotPanel, PlotSeries } from './plot/line-plot.ts'
export type { PlotTheme } from './plot/svg.ts'
