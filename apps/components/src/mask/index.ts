// Pictures of masks.
export { default as AlignmentFigure } from './AlignmentFigure.vue'
export { default as HeroMask } from './HeroMask.vue'
export { default as MaskFigure } from './MaskFigure.vue'
export { default as MaskParts } from './MaskParts.vue'
export { default as MaskTiles } from './MaskTiles.vue'
export { default as PassFigure } from './PassFigure.vue'
export { namedMask, namedMaskLength, namedMasks } from './named-masks.ts'
