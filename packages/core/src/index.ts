/**
 * The CPU reference and everything the other packages share: tensors, expressions, block maps and
 * exact attention, written to be read.
 *
 * @packageDocumentation
 */
export { checkOptions } from './check-options.ts'
export type { OptionNames } from './check-options.ts'
export { numbersOf } from './integer-list.ts'
export type { IntegerList } from './integer-list.ts'
export { withDefaults } from './optional.ts'
export type { Optional } from './optional.ts'
export { errorUrl, rangeError, shapeError, typeError, UnsupportedError } from './errors.ts'
export {
  bfloat16Bits,
  bfloat16Value,
  fromBfloat16Array,
  toBfloat16Array,
} from './tensor/bfloat16.ts'
export type {
  ArgumentCode,
  CodedError,
  UnsupportedCode,
  UnsupportedErrorOptions,
} from './errors.ts'
export { float16Bits, float16Value, fromFloat16Array, toFloat16Array } from './tensor/float16.ts'
export {
  allocate,
  contiguousStrides,
  elementCount,
  elementReader,
  elementWriter,
  extent,
  tensor,
  tensorFrom,
  zeros,
} from './tensor/tensor.ts'
export type {
  CpuDType,
  CpuStorage,
  DType,
  HalfPrecisionArray,
  Tensor,
  TensorLayout,
  TensorLike,
} from './tensor/tensor.ts'
export { dequantize, quantize, quantizedBlock, quantizedBytes } from './tensor/quantize.ts'
export type { QuantizedType } from './tensor/quantize.ts'
export { checkTensors, checkView, isWritable } from './tensor/check-tensor.ts'
export {
  cast,
  expand,
  forEachIndex,
  isContiguous,
  permute,
  slice,
  toContiguous,
  toFloat64Array,
} from './tensor/layout.ts'

export { dependencies } from './expression/dependencies.ts'
export type { Dependencies } from './expression/dependencies.ts'
export { operands } from './expression/node.ts'
export type {
  ArithmeticOperation,
  ComparisonOperation,
  Coordinate,
  ExpressionNode,
  LogicalOperation,
  Parameter,
  Relation,
  Table,
  UnaryOperation,
  ValueType,
} from './expression/node.ts'
export {
  boolean,
  booleanExpression,
  coordinate,
  float,
  floatExpression,
  integer,
  integerExpression,
} from './expression/expression.ts'
export type {
  BooleanExpression,
  BooleanLike,
  FloatExpression,
  FloatLike,
  IntegerExpression,
  IntegerLike,
} from './expression/expression.ts'
export {
  booleanTable,
  floatParameter,
  floatTable,
  integerParameter,
  integerTable,
  relation,
} from './expression/table.ts'
export type {
  BooleanTable,
  FloatTable,
  FloatTableOptions,
  IntegerTable,
  ParameterRange,
  RelationExpression,
} from './expression/table.ts'
export { biasElsewhere } from './expression/table-elsewhere.ts'
export type { TableBias } from './expression/table-elsewhere.ts'
export { biasFromTensor, mask, maskFromTensor, scoreModifier, softcap } from './expression/mask.ts'
export type { BroadcastShape, Coordinates, Mask, ScoreModifier } from './expression/mask.ts'
export { compile, evaluate, parameterValue } from './expression/evaluate.ts'
export type { Environment, Evaluator, Point } from './expression/evaluate.ts'
export { differentiate, differentiateTables } from './expression/differentiate.ts'
export type { TableDerivative } from './expression/differentiate.ts'
export { compileBounds, truth } from './expression/bounds.ts'
export type { BoundsEvaluator, Box, Truth } from './expression/bounds.ts'
export type { StridedInterval } from './expression/strided-interval.ts'
export { joinAll } from './expression/joining.ts'
export { bottomUp, nodesOf, usesOf } from './expression/graph.ts'
export type { NodeValues } from './expression/graph.ts'
export { withOperands } from './expression/substitute.ts'
export { translation, translations } from './expression/translation.ts'

export { checkParameters } from './attention/check-parameters.ts'
export { attentionShape, checkAttentionShape, resolveOptions } from './attention/options.ts'
export type { AttentionOptions, AttentionShape, ResolvedAttention } from './attention/options.ts'
export { checkAttentionOptions } from './attention/option-names.ts'
export { checkForwardResult, wantsRowMaximum } from './attention/result.ts'
export type { AttentionResult, ResultRequest } from './attention/result.ts'
export { sequencePositions } from './attention/packed-sequences.ts'
export type { PackedSequences, ResolvedSequences } from './attention/packed-sequences.ts'
export type { SequenceCoordinates } from './attention/pack-expressions.ts'
export type { DropoutOptions, ResolvedDropout } from './attention/dropout.ts'
export { philox4x32 } from './attention/philox.ts'
export type { FourWords } from './attention/philox.ts'
export type { Sinks } from './attention/sinks.ts'
export { standardAttention } from './attention/standard.ts'
export type { StandardAttentionOptions, StandardAttentionResult } from './attention/standard.ts'
export { attentionWeights } from './attention/weights.ts'
export type { AttentionWeightsOptions } from './attention/weights.ts'
export { resolveWeights } from './attention/weights-selection.ts'
export type {
  ResolvedWeights,
  WeightsReduction,
  WeightsSelection,
} from './attention/weights-selection.ts'
export { flashAttention } from './attention/flash.ts'
export type { FlashAttentionOptions, SoftmaxStep } from './attention/flash.ts'
export type { LoopOrder } from './attention/schedule.ts'
export { standardAttentionBackward } from './attention/standard-backward.ts'
export { flashAttentionBackward } from './attention/flash-backward.ts'
export type { FlashAttentionBackwardOptions } from './attention/flash-backward.ts'
export type { AttentionGradients } from './attention/gradients.ts'
export type { TilingOptions } from './attention/tiling.ts'
export { mergeAttention } from './attention/merge.ts'
export { memoryTraffic } from './attention/memory-traffic.ts'
export type { CountedTraffic, MemoryTrafficOptions } from './attention/memory-traffic.ts'
export { roofline } from './attention/roofline.ts'
export type { Roofline, RooflineOptions } from './attention/roofline.ts'
export { countTraffic } from './attention/trace.ts'
export type { MemoryTraffic, TileEvent, TracedTensor } from './attention/trace.ts'

export { blockMapRow } from './sparsity/block-map.ts'
export type { BlockMap, BlockSizes, TileRun } from './sparsity/block-map.ts'
export { createBlockMap, denseBlockMap } from './sparsity/create-block-map.ts'
export type { BlockMapShape, TokenOrders } from './sparsity/create-block-map.ts'
export { joinProposals } from './sparsity/order-proposal.ts'
export type { OrderProposal } from './sparsity/order-proposal.ts'
export {
  holdsAllKeys,
  naturalOrder,
  periodicOrder,
  residueOrder,
  tokensOf,
} from './sparsity/token-order.ts'
export type { TokenOrder } from './sparsity/token-order.ts'
export { unionParts } from './sparsity/split-union.ts'
export { planSparsity } from './sparsity/plan-sparsity.ts'
export type { SparsityCandidate, SparsityPass, SparsityPlan } from './sparsity/plan-sparsity.ts'
export { transposeBlockMap } from './sparsity/transpose-block-map.ts'
export type { TransposedBlockMap } from './sparsity/transpose-block-map.ts'
export { blockMapStatistics } from './sparsity/block-map-statistics.ts'
export type { BlockMapStatistics } from './sparsity/block-map-statistics.ts'
export { blockMapToText } from './sparsity/block-map-text.ts'

export type { RotaryEmbedding, RotaryLayout } from './position/rotary.ts'
