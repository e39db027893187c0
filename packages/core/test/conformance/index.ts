// The conformance suite that every backend runs: `describeForward('name', attend)` in a test file.
// Runs in Node and in browsers (no file access).
export { conformanceCase, layout, offset, sliced, transposed } from './cases.ts'
export type { ConformanceCase, Inputs } from './cases.ts'
export { largestError, magnitude } from './compare.ts'
export { checkForward, describeForward } from './describe-forward.ts'
export type { Attend } from './describe-forward.ts'
export { fill, randomNumbers } from './fill.ts'
export { conformanceCases } from './forward-cases.ts'
export { goldenCases, goldenInputs } from './golden.ts'
export type { GoldenCase } from './golden.ts'
export { plainAttention } from './plain.ts'
