// Random attention calls: sizes, layouts in memory and limits of the device, small enough to look at
// every tile.
import * as fc from 'fast-check'
import { contiguousStrides, permute } from '@attn/core'
import type { AttentionShape, TensorLike } from '@attn/core'
import type { BoundTensor, DispatchProblem } from '../../src/plan/dispatch.ts'

type View = TensorLike<undefined, string>

/** Sizes of a call. */
export const arbitraryShapes: fc.Arbitrary<AttentionShape> = fc
  .record({
    batch: fc.integer({ min: 1, max: 4 }),
    kvHeads: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    queryLength: fc.integer({ min: 1, max: 90 }),
    keyLength: fc.integer({ min: 1, max: 90 }),
    headDim: fc.integer({ min: 1, max: 9 }),
    valueDim: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ group, ...shape }) => ({ ...shape, heads: group * shape.kvHeads }))

/** A view of this shape: row-major, or with the heads of a token side by side; perhaps with gaps. */
function arbitraryView(shape: readonly [number, number, number, number]): fc.Arbitrary<View> {
  const [batch, heads, length, dim] = shape
  return fc
    .record({
      offset: fc.nat(300),
      gap: fc.nat(40),
      tokensOutside: fc.boolean(),
    })
    .map(({ offset, gap, tokensOutside }) => {
      const dense = (sizes: readonly number[]): View => ({
        dtype: 'float32',
        shape: sizes,
        strides: contiguousStrides([...sizes.slice(0, 3), dim + gap]),
        offset,
        storage: undefined,
      })
      return tokensOutside
        ? permute(dense([batch, length, heads, dim]), [0, 2, 1, 3])
        : dense([batch, heads, length, dim])
    })
}

/** The five tensors of a forward pass. */
export function arbitraryTensors(shape: AttentionShape): fc.Arbitrary<readonly BoundTensor[]> {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const bound = (
    sizes: readonly [number, number, number, number],
    follows: BoundTensor['follows'],
  ): fc.Arbitrary<BoundTensor> =>
    fc
      .tuple(arbitraryView(sizes), fc.constantFrom(2, 4))
      .map(([view, elementBytes]) => ({ view, elementBytes, follows }))
  return fc.tuple(
    bound([batch, heads, queryLength, headDim], 'queries'),
    bound([batch, kvHeads, keyLength, headDim], 'keys'),
    bound([batch, kvHeads, keyLength, valueDim], 'keys'),
    bound([batch, heads, queryLength, valueDim], 'queries'),
    fc.constant({
      view: {
        dtype: 'float32',
        shape: [batch, heads, queryLength],
        strides: [heads * queryLength, queryLength, 1],
        offset: 0,
        storage: undefined,
      },
      elementBytes: 4,
      follows: 'queries' as const,
    }),
  )
}

/** A whole problem: work is the number of pairs of tiles. */
export const arbitraryProblems: fc.Arbitrary<DispatchProblem> = arbitraryShapes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    tile: fc.record({
      queries: fc.integer({ min: 1, max: 32 }),
      keys: fc.integer({ min: 1, max: 32 }),
    }),
    tensors: arbitraryTensors(shape),
    limits: fc.record({
      maxComputeWorkgroupsPerDimension: fc.oneof(
        fc.constant(65535),
        fc.integer({ min: 1, max: 9 }),
      ),
      // From what holds a single tile at best to what holds everything.
      maxStorageBufferBindingSize: fc.oneof(
        fc.constant(2 ** 27),
        fc.integer({ min: 5, max: 11 }).map((power) => 16 * 2 ** power),
      ),
      minStorageBufferOffsetAlignment: fc.constantFrom(16, 32, 256),
      workBudget: fc.oneof(
        fc.constant(Infinity),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 200 }),
      ),
    }),
    anyRow: fc.boolean(),
    work: fc.constant(({ batches, heads, queryTiles, keyTiles }) =>
      [batches, heads, queryTiles, keyTiles].reduce((n, { start, end }) => n * (end - start), 1),
    ),
  }),
)
