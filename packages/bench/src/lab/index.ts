/**
 * The laboratory: data, model, training, evaluation and experiments, which run in Node and in browsers.
 */
export { JobInterrupted } from './jobs/job.ts'
export { decodeModel, encodeModel } from './files/model-file.ts'
export { drawExtrapolation } from './extrapolate/figure.ts'
export { extrapolate } from './extrapolate/extrapolate.ts'
export { extrapolationPresets } from './extrapolate/options.ts'
export { formatExtrapolation, formatExtrapolationHeader } from './extrapolate/summary.ts'
