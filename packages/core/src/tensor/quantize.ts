// Rows in blocks of 32 neighbours, each with a scale of its own: ggml's q8_0 (8 bits an element, 34 bytes a
// block) and q4_0 (4 bits, 18 bytes), byte for byte, so that what llama.cpp stores can be read, and the
// other way round. A block begins with its scale as float16, of which each element is a whole multiple.
import { shapeError, typeError } from '../errors.ts'
import { float16Bits, float16Value } from './float16.ts'
import { elementCount, elementReader, tensor } from './tensor.ts'
import type { Tensor } from './tensor.ts'
import { forEachIndex } from './layout.ts'

/** Layouts of ggml: 8 and 4 bits an element. */
export type QuantizedType = 'q8_0' | 'q4_0'

/** Elements of a block. */
export const quantizedBlock = 32

/**
 * Bytes that a row of so many elements takes.
 *
 * @throws RangeError for what is no multiple of 32.
 *
 * @example
 * ```ts
 * import { quantizedBytes } from '@attn/core'
 * quantizedBytes('q8_0', 128) // => 136
 * quantizedBytes('q4_0', 128) // => 72
 * ```
 */
export function quantizedBytes(type: QuantizedType, elements: number): number {
  if (!Number.isInteger(elements) || elements < 0 || elements % quantizedBlock !== 0) {
    throw shapeError(
      `quantizedBytes: rows are made of blocks of ${quantizedBlock}, got ${elements} elements`,
    )
  }
  return (elements / quantizedBlock) * blockBytes(type)
}

function blockBytes(type: QuantizedType): number {
  if (type === 'q8_0') return 34
  if (type === 'q4_0') return 18
  throw typeError(`quantizedBytes: type must be q8_0 or q4_0, got ${String(type)}`)
}

/**
 * Quantises a tensor, row by row in row-major order, as ggml does: an element becomes the nearest multiple
 * of its block's scale, which is that of the largest: of magnitude / 127, or / -8 with the sign that it has.
 * A scale beyond float16 is infinite, so that elements come back as infinities of their sign, and as NaN where
 * they were next to 0. A block that holds NaN or an infinity has a scale of NaN, and comes back as NaN.
 *
 * @param source - Any shape whose last axis is a multiple of 32, any strides.
 * @throws RangeError for another last axis, TypeError for another type.
 *
 * @example
 * ```ts
 * import { dequantize, quantize, tensor } from '@attn/core'
 * const row = tensor(Float32Array.from({ length: 32 }, (_, i) => i / 31), [1, 32])
 * const blocks = quantize(row, 'q8_0')
 * blocks.length // => 34
 * dequantize(blocks, [1, 32], 'q8_0').storage[16] // => 0.52
 * ```
 */
export function quantize(source: Tensor, type: QuantizedType): Uint8Array<ArrayBuffer> {
  const width = source.shape.at(-1) ?? 0
  quantizedBytes(type, width)
  const read = elementReader(source)
  const bytes = new Uint8Array((elementCount(source.shape) / quantizedBlock) * blockBytes(type))
  const view = new DataView(bytes.buffer)
  const write = type === 'q8_0' ? writeEights : writeFours
  const block = new Float32Array(quantizedBlock)
  forEachIndex(source, (index, position) => {
    const at = position % quantizedBlock
    block[at] = read(index)
    if (at === quantizedBlock - 1) {
      write(view, ((position - at) / quantizedBlock) * blockBytes(type), block)
    }
  })
  return bytes
}

// In float32 throughout, as ggml does.
const { fround } = Math

/** To the nearest, halves away from zero. */
const nearest = (x: number): number => Math.sign(x) * Math.floor(Math.abs(x) + 0.5)

/** The scale as it is stored. */
function scaleBits(scale: number, block: Float32Array): number {
  return float16Bits(block.every(Number.isFinite) ? scale : NaN)
}

function writeEights(view: DataView, place: number, block: Float32Array): void {
  const largest = block.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const scale = fround(largest / 127)
  const inverse = scale === 0 ? 0 : fround(1 / scale)
  view.setUint16(place, scaleBits(scale, block), true)
  if (!block.every(Number.isFinite)) return
  block.forEach((x, i) => view.setInt8(place + 2 + i, nearest(fround(x * inverse))))
}

function writeFours(view: DataView, place: number, block: Float32Array): void {
  const largest = block.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0)
  const scale = fround(largest / -8)
  const inverse = scale === 0 ? 0 : fround(1 / scale)
  view.setUint16(place, scaleBits(scale, block), true)
  if (!block.every(Number.isFinite)) return
  const quant = (x: number): number => Math.min(15, Math.floor(fround(fround(x * inverse) + 8.5)))
  // A byte holds an element and the one 16 later.
  for (let i = 0; i < 16; i++) {
    view.setUint8(place + 2 + i, quant(block[i]!) | (quant(block[i + 16]!) << 4))
  }
}

/**
 * What quantised rows stand for, as a float32 tensor.
 *
 * @param bytes - The blocks of all rows, one after another.
 * @param shape - The shape of the tensor; its last axis is a multiple of 32.
 * @throws RangeError where there are not as many blocks as the shape has.
 *
 * @example
 * ```ts
 * import { dequantize, quantize, tensor } from '@attn/core'
 * const ones = tensor(new Float32Array(64).fill(1), [2, 32])
 * const back = dequantize(quantize(ones, 'q4_0'), [2, 32], 'q4_0')
 * back.shape // => [2, 32]
 * back.storage[40] // => 1
 * ```
 */
export function dequantize(
  bytes: Uint8Array,
  shape: readonly number[],
  type: QuantizedType,
): Tensor {
  quantizedBytes(type, shape.at(-1) ?? 0)
  const expected = (elementCount(shape) / quantizedBlock) * blockBytes(type)
  if (bytes.length !== expected) {
    throw shapeError(
      `dequantize: shape [${shape.join(', ')}] takes ${expected} bytes of ${type}, got ${bytes.length}`,
    )
  }
  const values = new Float32Array(elementCount(shape))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let block = 0; block < values.length / quantizedBlock; block++) {
    const place = block * blockBytes(type)
    const scale = float16Value(view.getUint16(place, true))
    for (let i = 0; i < quantizedBlock; i++) {
      const quant =
        type === 'q8_0'
          ? view.getInt8(place + 2 + i)
          : ((view.getUint8(place + 2 + (i % 16)) >> (i < 16 ? 0 : 4)) & 15) - 8
      values[block * quantizedBlock + i] = quant * scale
    }
  }
  return tensor(values, shape)
}
