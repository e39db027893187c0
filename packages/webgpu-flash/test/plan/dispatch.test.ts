import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UnsupportedError } from '@attn/core'
import { boundRange, splitDispatches, touched } from '../../src/plan/dispatch.ts'
import type { BoundTensor, Dispatch, DispatchProblem, Range } from '../../src/plan/dispatch.ts'
import { arbitraryProblems } from './arbitrary-call.ts'

const indices = ({ start, end }: Range): number[] =>
  Array.from({ length: end - start }, (_, i) => start + i)

const length = ({ start, end }: Range): number => end - start

/** The dispatches of a problem, or undefined where the device cannot take it. */
function split(problem: DispatchProblem): Dispatch[] | undefined {
  try {
    return splitDispatches('test', problem)
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined
    throw error
  }
}

/** The part of a tensor that a dispatch binds. */
function bound(problem: DispatchProblem, tensor: BoundTensor, box: Dispatch) {
  const { rows, keys, keyHeads } = touched(problem.shape, problem.tile, box, problem.anyRow)
  const alignment = problem.limits.minStorageBufferOffsetAlignment
  return tensor.follows === 'queries'
    ? boundRange(tensor, alignment, box.batches, box.heads, rows)
    : boundRange(tensor, alignment, box.batches, keyHeads, keys)
}

/** Bytes of every element of a tensor that a box of tiles needs, one by one. */
function* bytesNeeded(problem: DispatchProblem, tensor: BoundTensor, box: Dispatch) {
  const { shape, tile } = problem
  const { view, elementBytes, follows } = tensor
  const [tiles, size, limit] =
    follows === 'queries'
      ? [box.queryTiles, tile.queries, shape.queryLength]
      : [box.keyTiles, tile.keys, shape.keyLength]
  const group = follows === 'queries' ? 1 : shape.heads / shape.kvHeads
  for (const batch of indices(box.batches)) {
    for (const head of indices(box.heads)) {
      for (const row of indices({ start: tiles.start * size, end: tiles.end * size })) {
        if (row >= limit) break
        for (let dim = 0; dim < (view.shape[3] ?? 1); dim++) {
          const place = [batch, Math.floor(head / group), row, dim]
          const index = view.strides.reduce((sum, stride, axis) => sum + stride * place[axis]!, 0)
          yield (view.offset + index) * elementBytes
        }
      }
    }
  }
}

describe('splitDispatches', () => {
  it('covers every pair of tiles once, and merges only what was written before', () => {
    fc.assert(
      fc.property(arbitraryProblems, (problem) => {
        const seen = new Set<string>()
        const written = new Set<string>()
        const wrong: string[] = []
        for (const { batches, heads, queryTiles, keyTiles, merge } of split(problem) ?? []) {
          for (const batch of indices(batches)) {
            for (const head of indices(heads)) {
              for (const queryTile of indices(queryTiles)) {
                const row = `${batch},${head},${queryTile}`
                if (written.has(row) !== merge) wrong.push(`merge of ${row}`)
                written.add(row)
                for (const keyTile of indices(keyTiles)) {
                  const pair = `${row},${keyTile}`
                  if (seen.has(pair)) wrong.push(`${pair} twice`)
                  seen.add(pair)
                }
              }
            }
          }
        }
        expect(wrong).toEqual([])
        const { shape, tile } = problem
        const all =
          shape.batch *
          shape.heads *
          Math.ceil(shape.queryLength / tile.queries) *
          Math.ceil(shape.keyLength / tile.keys)
        expect([0, all]).toContain(seen.size)
      }),
    )
  })

  it('exceeds no limit', () => {
    fc.assert(
      fc.property(arbitraryProblems, (problem) => {
        const { tensors, limits } = problem
        // The most of all dispatches, since there may be thousands.
        const most = { workgroups: 0, work: 0, bound: 0, unaligned: 0 }
        for (const box of split(problem) ?? []) {
          const sizes = [box.batches, box.heads, box.queryTiles].map(length)
          most.workgroups = Math.max(most.workgroups, ...sizes)
          const single = [...sizes, length(box.keyTiles)].every((size) => size === 1)
          // A pair of tiles is done however much it is.
          most.work = Math.max(most.work, single ? 0 : problem.work(box))
          for (const tensor of tensors) {
            const { offset, size } = bound(problem, tensor, box)
            most.bound = Math.max(most.bound, size)
            most.unaligned = Math.max(
              most.unaligned,
              offset % limits.minStorageBufferOffsetAlignment,
            )
          }
        }
        expect(most.workgroups).toBeLessThanOrEqual(limits.maxComputeWorkgroupsPerDimension)
        expect(most.work).toBeLessThanOrEqual(limits.workBudget)
        expect(most.bound).toBeLessThanOrEqual(limits.maxStorageBufferBindingSize)
        expect(most.unaligned).toBe(0)
      }),
    )
  })

  it('binds every element that a dispatch needs', () => {
    fc.assert(
      fc.property(arbitraryProblems, (problem) => {
        for (const box of split(problem) ?? []) {
          for (const tensor of problem.tensors) {
            const { offset, size } = bound(problem, tensor, box)
            let [low, high] = [Infinity, -Infinity]
            for (const byte of bytesNeeded(problem, tensor, box)) {
              low = Math.min(low, byte)
              high = Math.max(high, byte + tensor.elementBytes)
            }
            expect(offset).toBeLessThanOrEqual(low)
            expect(offset + size).toBeGreaterThanOrEqual(high)
          }
        }
      }),
      { numRuns: 40 },
    )
  })

  it('gives up only where a single pair of tiles does not fit', () => {
    fc.assert(
      fc.property(arbitraryProblems, (problem) => {
        const { shape, tile, tensors, limits } = problem
        const one = (index: number): Range => ({ start: index, end: index + 1 })
        const fits = (box: Dispatch): boolean =>
          tensors.every(
            (tensor) => bound(problem, tensor, box).size <= limits.maxStorageBufferBindingSize,
          )
        const queryTiles = Math.ceil(shape.queryLength / tile.queries)
        const keyTiles = Math.ceil(shape.keyLength / tile.keys)
        let allFit = true
        for (const batch of indices({ start: 0, end: shape.batch })) {
          for (const head of indices({ start: 0, end: shape.heads })) {
            for (let i = 0; i < Math.max(queryTiles, keyTiles); i++) {
              allFit &&= fits({
                batches: one(batch),
                heads: one(head),
                queryTiles: one(Math.min(i, queryTiles - 1)),
                keyTiles: one(Math.min(i, keyTiles - 1)),
                merge: false,
              })
            }
          }
        }
        expect(allFit && split(problem) === undefined).toBe(false)
      }),
    )
  })

  it('leaves alone what fits', () => {
    const problem = fc
      .sample(arbitraryProblems, { numRuns: 1, seed: 1 })
      .map((drawn): DispatchProblem => {
        const limits = {
          maxComputeWorkgroupsPerDimension: 65535,
          maxStorageBufferBindingSize: 2 ** 27,
          minStorageBufferOffsetAlignment: 256,
          workBudget: Infinity,
        }
        return { ...drawn, limits }
      })[0]!
    expect(splitDispatches('test', problem)).toHaveLength(1)
  })

  it('names the limit at fault', () => {
    const view = {
      dtype: 'float32',
      shape: [1, 1, 8, 64],
      strides: [0, 0, 64, 1],
      offset: 0,
      storage: 0,
    }
    const shape = {
      batch: 1,
      heads: 1,
      kvHeads: 1,
      queryLength: 8,
      keyLength: 8,
      headDim: 64,
      valueDim: 64,
    }
    const problem: DispatchProblem = {
      shape,
      tile: { queries: 8, keys: 8 },
      tensors: [{ view, elementBytes: 4, follows: 'queries' }],
      limits: {
        maxComputeWorkgroupsPerDimension: 65535,
        maxStorageBufferBindingSize: 1024,
        minStorageBufferOffsetAlignment: 256,
        workBudget: Infinity,
      },
      work: () => 1,
    }
    expect(() => splitDispatches('plan.forward', problem)).toThrow(
      new UnsupportedError(
        "plan.forward: a single tile spans more than the device's maxStorageBufferBindingSize=1024 bytes; use contiguous tensors or request a larger limit",
      ),
    )
  })
})
