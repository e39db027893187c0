// Pictures of decoding.
export { default as CacheFigure } from './CacheFigure.vue'
export { default as CacheTokens } from './CacheTokens.vue'
export { tokenStates } from './token-states.ts'
export type { Keeps, TokenState } from './token-states.ts'
