/**
 * Sparse attention patterns as expressions: sliding window, strided, BigBird and more, with analysis
 * and pictures.
 *
 * @packageDocumentation
 */
export { componentsOf, pattern, patternOf } from './pattern.ts'
export type { Pattern } from './pattern.ts'
export { and, not, or } from './combine/logic.ts'
export { perHead } from './combine/per-head.ts'

export { causal } from './patterns/causal.ts'
export { document } from './patterns/document.ts'
export type { DocumentLayout, PerSequence } from './patterns/document.ts'
export { prefixLm } from './patterns/prefix-lm.ts'
export { slidingWindow } from './patterns/sliding-window.ts'
