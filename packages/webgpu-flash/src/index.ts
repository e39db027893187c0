/**
 * Flash attention on WebGPU, forward and backward, dense and block-sparse, in browsers and in Node.
 *
 * @packageDocumentation
 */

export {}
