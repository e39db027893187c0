/**
 * The laboratory: data, model, training, evaluation and experiments, for pages and their workers as well as for
 * Node. Nothing here needs Node or a GPU.
 */
export { labText } from './data/text.ts'
export type { LabText } from './data/text.ts'
export { digitPixels, digitSide, labDigits } from './data/digits.ts'
export { drawBatch } from './data/batches.ts'
export type { Batch } from './data/batches.ts'
export { checkLabConfiguration, defaultLabConfiguration } from './configuration.ts'
export type { LabConfiguration } from './configuration.ts'
export {
  createPositionModel,
  positionMethodNames,
  positionMethodTitles,
} from './positions/methods.ts'
export type {
  PositionMethodName,
  PositionModel,
  PositionModelOptions,
  RopeScaling,
  TrainedTable,
} from './positions/methods.ts'
export { integrations, layerMasks, maskNames } from '../train/masks.ts'
export type { Integration, MaskName, PatternSettings } from '../train/masks.ts'
export { createAttention } from './model/attention.ts'
export type { Attention, AttentionSettings } from './model/attention.ts'
export { createDecoder } from './model/decoder.ts'
export type { Decoder, DecoderOptions, DecoderShape, PositionGradients } from './model/decoder.ts'
export type { Arena, Kernels } from './kernels/kernels.ts'
export { createTrainer } from './trainer.ts'
export type { LabState, LabWeights, Trainer, TrainerOptions } from './trainer.ts'
export {
  createReader,
  lossByPlace,
  perplexity,
  readWindows,
  slidingPerplexity,
} from './evaluation.ts'
export type { ReadingOptions, TrainedModel, WindowLosses } from './evaluation.ts'
export { trainSideBySide } from './side-by-side.ts'
export type {
  SideBySideOptions,
  SideBySideProgress,
  SideBySideResult,
  SideBySideSettings,
} from './side-by-side.ts'
export { connectLab } from './worker/connect.ts'
export type { LabConnection } from './worker/connect.ts'
export { serveLab } from './worker/serve.ts'
export type { LabPort } from './worker/messages.ts'
export { decodeModel, encodeModel } from './files/model-file.ts'
export type { StoredModel } from './files/model-file.ts'
export type { ArrayPrecision } from './files/arrays.ts'
export { JobInterrupted, memoryStore } from './jobs/job.ts'
export type {
  EvaluationSettings,
  FineTuningJob,
  FineTuningResult,
  JobContext,
  JobProgress,
  LabJob,
  LabJobResult,
  LabJobText,
  LabStore,
  ScalingJob,
  ScalingResult,
  TrainingJob,
  TrainingResult,
} from './jobs/job.ts'
export { executeJob } from './jobs/execute.ts'
export { inThisThread } from './jobs/in-this-thread.ts'
export type { JobRunner, JobRunOptions, LabProgress } from './jobs/run-jobs.ts'
export { extrapolate } from './extrapolate/extrapolate.ts'
export type { ExtrapolateOptions } from './extrapolate/extrapolate.ts'
export { extrapolationPresets } from './extrapolate/options.ts'
export type { ExtrapolationPlan } from './extrapolate/options.ts'
export type {
  ExtrapolationModel,
  ExtrapolationReport,
  FineTuningCurve,
} from './extrapolate/report.ts'
export { scalingNames } from './extrapolate/scalings.ts'
export type { ScalingName } from './extrapolate/scalings.ts'
export { extrapolationClaims } from './extrapolate/claims.ts'
export type { ExtrapolationClaim } from './extrapolate/claims.ts'
export { formatExtrapolation, formatExtrapolationHeader } from './extrapolate/summary.ts'
export { alibiTable, fineTuningTable, interpolationTable } from './extrapolate/paper.ts'
export type { PaperTable } from './extrapolate/paper.ts'
export { comparePatterns, defaultPatternPlan } from './patterns/compare-patterns.ts'
export type {
  ComparePatternsOptions,
  PatternModel,
  PatternPlan,
  PatternReport,
} from './patterns/compare-patterns.ts'
export type { StepClock, StepTime } from './patterns/time-steps.ts'
export { attentionProfile } from './patterns/attention-profile.ts'
export type { AttentionProfileOptions, LayerProfile } from './patterns/attention-profile.ts'
export { formatPatterns } from './patterns/summary.ts'
