// The kernels of wasm/kernels/ and the memory they work in. Arithmetic is WebAssembly's float32 with SIMD, which
// gives the same bits on every machine and in every browser.
import { kernelModule } from './module.ts'

/** The functions of wasm/, which document them. Pointers are byte offsets in the memory. */
export interface Kernels {
  readonly memory: WebAssembly.Memory
  freeMemory(): number
  product(
    m: number,
    n: number,
    k: number,
    a: number,
    aRow: number,
    aColumn: number,
    b: number,
    bRow: number,
    c: number,
    cRow: number,
    add: number,
  ): void
  transpose(m: number, n: number, a: number, aRow: number, out: number, outRow: number): void
  attend(
    batch: number,
    length: number,
    heads: number,
    dim: number,
    row: number,
    query: number,
    key: number,
    value: number,
    output: number,
    bias: number,
    biasHeads: number,
    runs: number,
    runHeads: number,
    probabilities: number,
    keep: number,
    scratch: number,
  ): void
  attendBackward(
    batch: number,
    length: number,
    heads: number,
    dim: number,
    row: number,
    query: number,
    key: number,
    value: number,
    dOutput: number,
    runs: number,
    runHeads: number,
    probabilities: number,
    dQuery: number,
    dKey: number,
    dValue: number,
    dBias: number,
    scratch: number,
  ): void
  embed(
    count: number,
    length: number,
    width: number,
    tokens: number,
    table: number,
    positions: number,
    out: number,
  ): void
  embedBackward(
    count: number,
    length: number,
    width: number,
    tokens: number,
    dOut: number,
    dTable: number,
    dPositions: number,
  ): void
  normalize(
    rows: number,
    width: number,
    x: number,
    gain: number,
    out: number,
    inverses: number,
  ): void
  normalizeBackward(
    rows: number,
    width: number,
    x: number,
    gain: number,
    inverses: number,
    dOut: number,
    dX: number,
    dGain: number,
  ): void
  gelu(count: number, x: number, out: number): void
  geluBackward(count: number, x: number, d: number): void
  turn(
    count: number,
    length: number,
    heads: number,
    dim: number,
    cosines: number,
    sines: number,
    x: number,
    back: number,
  ): void
  crossEntropy(
    rows: number,
    vocabulary: number,
    row: number,
    logits: number,
    targets: number,
    losses: number,
    gradients: number,
  ): void
  accumulate(count: number, x: number, out: number): void
  sumOfSquares(count: number, x: number): number
  adamW(
    count: number,
    weights: number,
    gradients: number,
    first: number,
    second: number,
    factor: number,
    rate: number,
    firstDecay: number,
    secondDecay: number,
    firstCorrection: number,
    secondCorrection: number,
    shrink: number,
  ): void
}

/** Kernels with memory of their own. */
export interface Arena {
  readonly kernels: Kernels
  /** Reserves so many float32 or int32 numbers, all 0; the byte offset is a multiple of 16. */
  reserve(count: number): number
  /** The numbers at an offset; valid until the next `reserve`. */
  floats(pointer: number, count: number): Float32Array<ArrayBuffer>
  integers(pointer: number, count: number): Int32Array<ArrayBuffer>
}

let compiled: Promise<WebAssembly.Module> | undefined

/**
 * An arena with nothing in it.
 *
 * @throws RangeError from `reserve` when the memory of 4 GiB that WebAssembly has is full.
 */
export async function createArena(): Promise<Arena> {
  compiled ??= WebAssembly.compile(decode(kernelModule))
  const instance = await WebAssembly.instantiate(await compiled, { env: { abort } })
  const kernels = instance.exports as unknown as Kernels
  const { memory } = kernels
  let end = Math.ceil(kernels.freeMemory() / 16) * 16
  return {
    kernels,
    reserve(count) {
      const pointer = end
      end += Math.ceil(count / 4) * 16
      const missing = Math.ceil((end - memory.buffer.byteLength) / 65_536)
      if (missing > 0) memory.grow(missing)
      return pointer
    },
    floats: (pointer, count) => new Float32Array(memory.buffer, pointer, count),
    integers: (pointer, count) => new Int32Array(memory.buffer, pointer, count),
  }
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.codePointAt(0)!)
}

function abort(): never {
  throw new Error('createArena: a kernel gave up')
}
