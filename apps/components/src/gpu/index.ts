// This browser's GPU, for pictures that run on it: the library is loaded when it is asked for.
export { findGpu, gpu, messageOf, openGpu } from './gpu.ts'
export type { GpuState } from './gpu.ts'
export { measurePlan } from './measure.ts'
export type { Timing } from './measure.ts'
