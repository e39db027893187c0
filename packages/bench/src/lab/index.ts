/**
 * The laboratory: data, model, training, evaluation and experiments, which run in Node and in browsers.
 */
export { decodeModel, encodeModel } from './files/model-file.ts'
export { drawExtrapolation } from './extrapolate/figure.ts'
export { extrapolate } from './extrapolate/extrapolate.ts'
export { extrapolationPresets } from './extrapolate/options.ts'
export { formatExtrapolation, formatExtrapolationHeader } from './extrapolate/summary.ts'
export { digitSide } from './data/digits.ts'
export { comparePatterns, defaultPatternPlan } from './patterns/compare-patterns.ts'
export { attentionProfile } from './patterns/attention-profile.ts'
export { formatPatterns } from './patterns/summary.ts'
