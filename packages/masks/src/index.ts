/**
 * Sparse attention patterns as expressions: sliding window, strided, BigBird and more, with analysis and pictures.
 *
 * @packageDocumentation
 */

export {}
