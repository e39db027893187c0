// Pictures of tensors.
export { default as LayoutFigure } from './LayoutFigure.vue'
