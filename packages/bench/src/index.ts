/**
 * Measures attention in TypeScript and compares it with its peers: the library behind the `attn`
 * command. It runs in browsers as well as in Node.
 *
 * @packageDocumentation
 */
export { median, summarize } from './measure/statistics.ts'
export type { Summary } from './measure/statistics.ts'
export { cpuStopwatch, measure } from './measure/measure.ts'
export { measureInTurns } from './measure/measure-in-turns.ts'
export type { Clock, MeasureOptions, Measurement, Stopwatch } from './measure/measure.ts'
export { createGpuStopwatch } from './measure/gpu-stopwatch.ts'
export type { EncodeWork, GpuStopwatch } from './measure/gpu-stopwatch.ts'

export { browserEquivalent, unchecked } from './device/dawn-flags.ts'
export type { DawnFlags } from './device/dawn-flags.ts'
export { findDevice } from './device/find-device.ts'
export type {
  DeviceKind,
  DeviceReport,
  FindDeviceOptions,
  FoundDevice,
  FoundGpu,
} from './device/find-device.ts'
export { examine, isHealthy } from './doctor/doctor.ts'
export type { DoctorOptions, DoctorReport } from './doctor/doctor.ts'
export { formatDoctor } from './doctor/format-doctor.ts'
export { GpuWorkError } from './device/error-scope.ts'

export { createStandardAttention } from './peers/standard-webgpu/standard-attention.ts'
export type {
  StandardAttention,
  StandardBuffers,
} from './peers/standard-webgpu/standard-attention.ts'
export { layOutScores, scoreBytes } from './peers/standard-webgpu/plan.ts'
export type {
  ScoreChunk,
  ScoreLayout,
  StandardLimits,
  StandardShape,
} from './peers/standard-webgpu/plan.ts'

export { run } from './suites/run.ts'
export type { RunOptions } from './suites/run.ts'
export type { FirstCall } from './suites/first-call.ts'
export { defaultProblem } from './suites/problem.ts'
export type { Method, Problem } from './suites/problem.ts'
export type { MeasuredBackward } from './gradients/measure.ts'
export type { LengthResult, Measured, Outcome, Progress, Skipped } from './suites/outcome.ts'
export type { Verification } from './verify/expectation.ts'

export { comparePositions } from './suites/positions.ts'
export type { PositionsOptions } from './suites/positions.ts'
export { defaultPositionProblem, positionMethods } from './positions/problem.ts'
export type { PositionMethod, PositionProblem } from './positions/problem.ts'
export { positionsVerified } from './report/positions-report.ts'
export type {
  PositionLengthResult,
  PositionOutcome,
  PositionsReport,
  PositionTraining,
} from './report/positions-report.ts'
export { formatPositions, formatPositionsHeader } from './report/positions-summary.ts'
export { drawPositions } from './report/positions-plot.ts'

export { runSparse } from './sparse/run-sparse.ts'
export type { SparseOptions } from './sparse/run-sparse.ts'
export { patternNames } from './sparse/patterns.ts'
export type { PatternName, PatternOptions } from './sparse/patterns.ts'
export type { ContestOptions } from './sparse/contest.ts'
export { allRowsVerified } from './sparse/report.ts'
export type { LengthOptions } from './sparse/run-length.ts'
export type {
  CausalTime,
  FlexReport,
  FlexTime,
  SparseLength,
  SparseReport,
  SparseResult,
  SparseTime,
} from './sparse/report.ts'
export { formatSparse } from './sparse/summary.ts'
export { drawSparse } from './sparse/svg.ts'

export { allVerified, parseRunReport, toJson } from './report/run-report.ts'
export type {
  ConfigurationResult,
  Environment,
  RunReport,
  RunReportSchema,
} from './report/run-report.ts'
export { formatConfiguration, formatFlags, formatHeader } from './report/summary.ts'
export { formatBytes } from './report/format.ts'
export { formatTable } from './report/table.ts'
export type { Column } from './report/table.ts'
export { drawChart } from './report/svg.ts'

export { labText } from './lab/data/text.ts'
export type { LabText } from './lab/data/text.ts'
export { drawBatch } from './lab/data/batches.ts'
export type { Batch } from './lab/data/batches.ts'
export { checkLabConfiguration, defaultLabConfiguration } from './lab/configuration.ts'
export type { LabConfiguration } from './lab/configuration.ts'
export {
  createPositionModel,
  positionMethodNames,
  positionMethodTitles,
} from './lab/positions/methods.ts'
export type {
  PositionMethodName,
  PositionModel,
  PositionModelOptions,
  RopeScaling,
  TrainedTable,
} from './lab/positions/methods.ts'
export { createTrainer } from './lab/trainer.ts'
export type { LabState, LabWeights, Trainer, TrainerOptions } from './lab/trainer.ts'
export {
  createReader,
  lossByPlace,
  perplexity,
  readWindows,
  slidingPerplexity,
} from './lab/evaluation.ts'
export type { ReadingOptions, TrainedModel, WindowLosses } from './lab/evaluation.ts'
export { createAttention } from './lab/model/attention.ts'
export type { Attention, AttentionSettings } from './lab/model/attention.ts'
export { createDecoder } from './lab/model/decoder.ts'
export type {
  Decoder,
  DecoderOptions,
  DecoderShape,
  PositionGradients,
} from './lab/model/decoder.ts'
export type { Arena, Kernels } from './lab/kernels/kernels.ts'
export { decodeModel, encodeModel } from './lab/files/model-file.ts'
export type { StoredModel } from './lab/files/model-file.ts'
export type { ArrayPrecision } from './lab/files/arrays.ts'
export { JobInterrupted, memoryStore } from './lab/jobs/job.ts'
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
} from './lab/jobs/job.ts'
export { executeJob } from './lab/jobs/execute.ts'
export { inThisThread } from './lab/jobs/in-this-thread.ts'
export { extrapolate } from './lab/extrapolate/extrapolate.ts'
export type { ExtrapolateOptions } from './lab/extrapolate/extrapolate.ts'
export type { JobRunner, JobRunOptions, LabProgress } from './lab/jobs/run-jobs.ts'
export { extrapolationPresets } from './lab/extrapolate/options.ts'
export type { ExtrapolationPlan } from './lab/extrapolate/options.ts'
export type {
  ExtrapolationModel,
  ExtrapolationReport,
  FineTuningCurve,
} from './lab/extrapolate/report.ts'
export { scalingNames } from './lab/extrapolate/scalings.ts'
export type { ScalingName } from './lab/extrapolate/scalings.ts'
export { extrapolationClaims } from './lab/extrapolate/claims.ts'
export type { ExtrapolationClaim } from './lab/extrapolate/claims.ts'
export { formatExtrapolation, formatExtrapolationHeader } from './lab/extrapolate/summary.ts'
export { drawExtrapolation } from './lab/extrapolate/figure.ts'
export { digitPixels, digitSide, labDigits } from './lab/data/digits.ts'
export { comparePatterns, defaultPatternPlan } from './lab/patterns/compare-patterns.ts'
export type {
  ComparePatternsOptions,
  PatternModel,
  PatternPlan,
  PatternReport,
} from './lab/patterns/compare-patterns.ts'
export { attentionProfile } from './lab/patterns/attention-profile.ts'
export type { AttentionProfileOptions, LayerProfile } from './lab/patterns/attention-profile.ts'
export { formatPatterns } from './lab/patterns/summary.ts'
export { integrations, layerMasks, maskNames } from './train/masks.ts'
export type { Integration, MaskName, PatternSettings } from './train/masks.ts'
export { alibiTable, fineTuningTable, interpolationTable } from './lab/extrapolate/paper.ts'
export type { PaperTable } from './lab/extrapolate/paper.ts'
