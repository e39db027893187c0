// Uniform blocks of several dispatches in one buffer.
import type { BoundRange } from '../plan/dispatch.ts'

/** Blocks one after the other, each at an offset that may be bound. */
export function joinBlocks(
  blocks: readonly Uint32Array[],
  alignment: number,
): { readonly words: Uint32Array<ArrayBuffer>; readonly blocks: readonly BoundRange[] } {
  let end = 0
  const ranges = blocks.map(({ byteLength: size }) => {
    const offset = Math.ceil(end / alignment) * alignment
    end = offset + size
    return { offset, size }
  })
  const words = new Uint32Array(end / 4)
  blocks.forEach((block, index) => words.set(block, ranges[index]!.offset / 4))
  return { words, blocks: ranges }
}
