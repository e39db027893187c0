// The kernels that training on the CPU needs, in AssemblyScript, compiled to WebAssembly with SIMD: their
// arithmetic is the same to the bit on every machine. `node wasm/compile.ts` writes the module as text.
export { attend, attendBackward } from './attention'
export {
  accumulate,
  crossEntropy,
  embed,
  embedBackward,
  gelu,
  geluBackward,
  normalize,
  normalizeBackward,
  turn,
} from './layers'
export { adamW, sumOfSquares } from './optimizer'
export { product, transpose } from './product'

/** Where free memory begins. */
export function freeMemory(): usize {
  return __heap_base
}
