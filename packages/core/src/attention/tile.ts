// A tile: some rows of one head's matrix in a contiguous float64 buffer, as a GPU keeps them in
// workgroup memory. The copy pays off on a CPU too: inner loops run over plain arrays whatever the
// strides and dtype of the tensor are. Every load and store is told to the trace.
import { elementReader, elementWriter } from '../tensor/tensor.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { TileMoves } from './schedule.ts'
import type { TileEvent, TracedTensor } from './trace.ts'

/**
 * A buffer and the tensor `[B, H, length, dim]` whose tiles pass through it: `load` copies one from
 * memory, `store` the buffer to memory, rounding to the dtype.
 */
export interface TileBuffer extends TileMoves {
  /** The rows that were loaded last, row-major from the beginning. */
  readonly values: Float64Array
}

/** How the tiles of one tensor are cut and counted. */
export interface TileBufferOptions {
  readonly blockSize: number
  /** Rows that count in a sequence. Default: all. */
  readonly length?: (batch: number) => number
  /** Head of this tensor that a query head reads. Default: the same. */
  readonly headOf?: (head: number) => number
  /** The buffer itself, where it is shared. Default: a new one. */
  readonly values?: Float64Array
  readonly trace?: ((event: TileEvent) => void) | undefined
}

/** Makes the buffer through which tiles of a tensor are loaded and stored. */
export function tileBuffer(
  name: TracedTensor,
  view: Tensor,
  options: TileBufferOptions,
): TileBuffer {
  const [, , length, dim] = view.shape as readonly [number, number, number, number]
  const [batchStride, headStride, rowStride, dimStride] = view.strides as typeof view.strides &
    readonly [number, number, number, number]
  const { blockSize, headOf = (head) => head, trace } = options
  const { values = new Float64Array(blockSize * dim) } = options
  const rows = options.length ?? (() => length)
  const read = elementReader(view)
  const write = elementWriter(view)

  const move = (access: 'load' | 'store', batch: number, head: number, block: number): void => {
    const end = Math.min((block + 1) * blockSize, rows(batch))
    const corner = view.offset + batch * batchStride + headOf(head) * headStride
    let place = 0
    for (let row = block * blockSize; row < end; row++) {
      let index = corner + row * rowStride
      for (let d = 0; d < dim; d++, index += dimStride, place++) {
        if (access === 'load') values[place] = read(index)
        else write(index, values[place]!)
      }
    }
    trace?.({ access, tensor: name, batch, head, block, elements: place })
  }
  return {
    values,
    load: (batch, head, block) => move('load', batch, head, block),
    store: (batch, head, block) => move('store', batch, head, block),
  }
}

/** A tensor `[B, H, length]` as a matrix with one column, so that its tiles can be moved as well. */
export function asColumn(view: Tensor): Tensor {
  return { ...view, shape: [...view.shape, 1], strides: [...view.strides, 1] }
}
