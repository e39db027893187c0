// The conformance suites that every backend runs: `describeForward('name', attend)` in a test file,
// and each of the others that the backend can do. They run in Node and in browsers (no file access).
export { backwardCases, dropoutCases, sinkCases } from './backward-cases.ts'
export { chosenCases, onlyCore } from './breadth.ts'
export { conformanceCase, layout, offset, sliced, transposed } from './cases.ts'
export type { ConformanceCase, Inputs } from './cases.ts'
export { largestError, magnitude } from './compare.ts'
export {
  checkBackward,
  describeBackward,
  describeDropout,
  describeSinks,
} from './describe-backward.ts'
export { backwardProblems, expectedGradients, goldenBackwardProblems } from './backward-problems.ts'
export type { AttendBackward, BackwardResult } from './backward-problems.ts'
export { checkForward, describeForward } from './describe-forward.ts'
export { describeWeights } from './describe-weights.ts'
export { weightsCases } from './weights-cases.ts'
export type { WeightsCase } from './weights-cases.ts'
export { weightsProblems } from './weights-problems.ts'
export type { Weigh } from './weights-problems.ts'
export { expectedForward, forwardProblems, goldenForwardProblems } from './forward-problems.ts'
export type { Attend } from './forward-problems.ts'
export { fill, randomNumbers } from './fill.ts'
export { conformanceCases } from './forward-cases.ts'
export { goldenCases, goldenInputs } from './golden.ts'
export type { GoldenCase } from './golden.ts'
export { mergeCases, mergeProblems } from './merge-cases.ts'
export type { Merge, MergeCase } from './merge-cases.ts'
export { plainAttention } from './plain.ts'
export { plainBackward } from './plain-backward.ts'
export { standardGradients } from './standard-gradients.ts'
