// Pictures of expressions.
export { default as ExpressionFigure } from './ExpressionFigure.vue'
