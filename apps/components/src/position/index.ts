// Pictures of position methods.
export { default as BiasCurves } from './BiasCurves.vue'
export { default as BiasMatrix } from './BiasMatrix.vue'
export { default as RotaryDials } from './RotaryDials.vue'
export { default as ScoreFit } from './ScoreFit.vue'
