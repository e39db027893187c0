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
export type { DawnFlags, DawnFlagsName } from './device/dawn-flags.ts'
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
export type { FirstCall, FirstCallStages } from './suites/first-call.ts'
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
  SparseBackward,
  SparseGradients,
  SparseLength,
  SparseReport,
  SparseResult,
  SparseTime,
} from './sparse/report.ts'
export { formatSparse } from './sparse/summary.ts'
export { drawSparse } from './sparse/svg.ts'

export { runHierarchy } from './hierarchy/report.ts'
export type { HierarchyOptions, HierarchyReport } from './hierarchy/report.ts'
export type { Hierarchy } from './hierarchy/measure-hierarchy.ts'
export type { DotShape, KernelDot } from './hierarchy/kernel-dots.ts'
export { drawHierarchy } from './hierarchy/figure.ts'

export { allVerified, parseRunReport, toJson } from './report/run-report.ts'
export type {
  ConfigurationResult,
  Environment as RunEnvironment,
  RunReport,
  RunReportSchema,
} from './report/run-report.ts'
export { formatConfiguration, formatFlags, formatHeader } from './report/summary.ts'
export { formatBytes } from './report/format.ts'
export { formatTable } from './report/table.ts'
export type { Column } from './report/table.ts'
export { drawChart } from './report/svg.ts'

export {
  labText,
  digitPixels,
  digitSide,
  labDigits,
  drawBatch,
  checkLabConfiguration,
  defaultLabConfiguration,
  createPositionModel,
  positionMethodNames,
  positionMethodTitles,
  integrations,
  layerMasks,
  maskNames,
  createAttention,
  createDecoder,
  createTrainer,
  createReader,
  lossByPlace,
  perplexity,
  readWindows,
  slidingPerplexity,
  trainSideBySide,
  connectLab,
  serveLab,
  decodeModel,
  encodeModel,
  JobInterrupted,
  memoryStore,
  executeJob,
  inThisThread,
  extrapolate,
  extrapolationPresets,
  scalingNames,
  extrapolationClaims,
  formatExtrapolation,
  formatExtrapolationHeader,
  alibiTable,
  fineTuningTable,
  interpolationTable,
  comparePatterns,
  defaultPatternPlan,
  attentionProfile,
  formatPatterns,
} from './lab/index.ts'
export type {
  LabText,
  Batch,
  LabConfiguration,
  PositionMethodName,
  PositionModel,
  PositionModelOptions,
  RopeScaling,
  TrainedTable,
  Integration,
  MaskName,
  PatternSettings,
  Attention,
  AttentionSettings,
  Decoder,
  DecoderOptions,
  DecoderShape,
  PositionGradients,
  Arena,
  Kernels,
  LabState,
  LabWeights,
  Trainer,
  TrainerOptions,
  ReadingOptions,
  TrainedModel,
  WindowLosses,
  SideBySideOptions,
  SideBySideProgress,
  SideBySideResult,
  SideBySideSettings,
  LabConnection,
  LabPort,
  StoredModel,
  ArrayPrecision,
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
  JobRunner,
  JobRunOptions,
  LabProgress,
  ExtrapolateOptions,
  ExtrapolationPlan,
  ExtrapolationModel,
  ExtrapolationReport,
  FineTuningCurve,
  ScalingName,
  ExtrapolationClaim,
  PaperTable,
  ComparePatternsOptions,
  PatternModel,
  PatternPlan,
  PatternReport,
  StepClock,
  StepTime,
  AttentionProfileOptions,
  LayerProfile,
} from './lab/index.ts'
export { drawExtrapolation } from './lab/extrapolate/figure.ts'
export { drawPapers } from './lab/extrapolate/paper-figure.ts'
export { drawPatterns } from './lab/patterns/figure.ts'
