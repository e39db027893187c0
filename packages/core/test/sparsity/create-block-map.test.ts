import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blockMapRow,
  createBlockMap,
  denseBlockMap,
  integerParameter,
  mask,
  maskFromTensor,
} from '@attn/core'
import type { Mask } from '@attn/core'
import { arbitraryTrees } from '../arbitrary-expression.ts'
import { frames, patterns } from './patterns.ts'
import { evaluatedPicture, plannedPicture } from './picture.ts'

const causal = mask('causal', ({ query, key }) => key.le(query))
const square = { batch: 1, heads: 1, queryLength: 64, keyLength: 64 }
const tiles = { queryBlockSize: 16, keyBlockSize: 16 }

describe.each(Object.keys(patterns))('createBlockMap of %s', (name) => {
  it.each(frames)('finds what every pair shows: %s', (_, lengths, queryBlockSize, keyBlockSize) => {
    const shape = { batch: 3, heads: 2, parameters: { width: 12 }, ...lengths }
    const sizes = { queryBlockSize, keyBlockSize }
    expect(plannedPicture(patterns[name], shape, sizes)).toBe(
      evaluatedPicture(patterns[name], shape, sizes),
    )
  })
})

describe('createBlockMap of random masks', () => {
  const sizes = fc.record({
    queryBlockSize: fc.integer({ min: 1, max: 9 }),
    keyBlockSize: fc.integer({ min: 1, max: 9 }),
  })

  it('agrees with every pair of a tensor', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        sizes,
        fc.integer({ min: 0, max: 8 }),
        fc.infiniteStream(fc.nat({ max: 7 })),
        (queryLength, keyLength, sizes, level, numbers) => {
          const values = Array.from(
            { length: queryLength * keyLength },
            () => numbers.next().value! < level,
          )
          const pattern = maskFromTensor(values, [1, 1, queryLength, keyLength])
          const shape = { batch: 1, heads: 1, queryLength, keyLength }
          expect(plannedPicture(pattern, shape, sizes)).toBe(
            evaluatedPicture(pattern, shape, sizes),
          )
        },
      ),
    )
  })

  // Floats within rounding of one another may leave a tile partial, so the trees hold integers only.
  it('agrees with every pair of a tree', () => {
    const trees = arbitraryTrees({ defined: true, floats: false, parameters: false }).booleans
    fc.assert(
      fc.property(
        trees,
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: -5, max: 20 }),
        sizes,
        (expression, queryLength, keyLength, queryOffset, sizes) => {
          const pattern: Mask = { kind: 'mask', name: 'tree', expression }
          const shape = { batch: 2, heads: 2, queryLength, keyLength, queryOffset }
          expect(plannedPicture(pattern, shape, sizes)).toBe(
            evaluatedPicture(pattern, shape, sizes),
          )
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('createBlockMap of masks that repeat along the diagonal', () => {
  const term = fc.record({
    left: fc.constantFrom('query', 'key', 'distance'),
    period: fc.constantFrom(2, 3, 4, 8, 12),
    inner: fc.constantFrom(1, 2, 4),
    bound: fc.nat({ max: 6 }),
  })

  it('agrees with every pair', () => {
    fc.assert(
      fc.property(
        fc.array(term, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        fc.integer({ min: 40, max: 120 }),
        fc.integer({ min: 1, max: 120 }),
        fc.integer({ min: -30, max: 60 }),
        fc.constantFrom(4, 6, 8),
        fc.constantFrom(4, 8),
        (terms, union, queryLength, keyLength, queryOffset, queryBlockSize, keyBlockSize) => {
          const pattern = mask('repeating', ({ query, key }) => {
            const sides = { query, key, distance: query.sub(key) }
            const parts = terms.map(({ left, period, inner, bound }) =>
              sides[left as 'key'].floorDiv(inner).mod(period).le(bound),
            )
            const joined = parts.reduce((all, part) => (union ? all.or(part) : all.and(part)))
            return joined.and(key.le(query.add(9)))
          })
          const shape = { batch: 1, heads: 1, queryLength, keyLength, queryOffset }
          const sizes = { queryBlockSize, keyBlockSize }
          expect(plannedPicture(pattern, shape, sizes)).toBe(
            evaluatedPicture(pattern, shape, sizes),
          )
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('createBlockMap', () => {
  it('stores one map where sequences and heads look alike', () => {
    const shape = { ...square, batch: 3, heads: 4 }
    expect(createBlockMap(causal, shape, tiles)).toMatchObject({ batch: 1, heads: 1 })
    expect(createBlockMap(patterns['perHead'], shape, tiles)).toMatchObject({ batch: 1, heads: 4 })
    expect(createBlockMap(patterns['perSequence'], shape, tiles)).toMatchObject({ batch: 3 })
    const offsets = { ...shape, queryOffset: [0, 1, 2] }
    expect(createBlockMap(causal, offsets, tiles)).toMatchObject({ batch: 3, heads: 1 })
    expect(createBlockMap(undefined, offsets, tiles)).toMatchObject({ batch: 1, heads: 1 })
    const lengths = { ...shape, keyLengths: [64, 64, 60] }
    expect(createBlockMap(undefined, lengths, tiles)).toMatchObject({ batch: 3, heads: 1 })
  })

  it('never calls a tile full that reaches past the last key', () => {
    const map = denseBlockMap({ ...square, keyLength: 60 }, tiles)
    expect(blockMapRow(map, 0, 0, 3)).toEqual([
      { start: 0, end: 3, full: true },
      { start: 3, end: 4, full: false },
    ])
  })

  it('plans for every value of a parameter that is not given', () => {
    const width = integerParameter('width', { minimum: 16, maximum: 32 })
    const window = mask('window', ({ query, key }) => query.sub(key).abs().lt(width))
    const shape = { ...square, queryLength: 128, keyLength: 128 }
    const widest = mask('widest', ({ query, key }) => query.sub(key).abs().lt(32))
    const narrowest = mask('narrowest', ({ query, key }) => query.sub(key).abs().lt(16))
    const eight = { queryBlockSize: 8, keyBlockSize: 8 }
    const open = plannedPicture(window, shape, eight)
    expect(open.replaceAll('#', '+')).toBe(
      evaluatedPicture(widest, shape, eight).replaceAll('#', '+'),
    )
    expect(open.replaceAll('+', '.')).toBe(
      evaluatedPicture(narrowest, shape, eight).replaceAll('+', '.'),
    )
    expect(plannedPicture(window, { ...shape, parameters: { width: 32 } }, eight)).toBe(
      evaluatedPicture(widest, shape, eight),
    )
  })

  it('leaves partial what float32 and float64 may see differently', () => {
    // 3 x 0.1 is above 0.3 in float64 and equal to it in float32.
    const tied = mask('tied', ({ key }) => key.toFloat().mul(0.1).gt(0.3))
    const shape = { batch: 1, heads: 1, queryLength: 1, keyLength: 8 }
    const single = { queryBlockSize: 1, keyBlockSize: 1 }
    expect(plannedPicture(tied, shape, single)).toBe('...+####')
  })

  it.each([
    [
      { ...square, queryLength: 0 },
      tiles,
      'createBlockMap: queryLength must be a positive integer',
    ],
    [square, { ...tiles, keyBlockSize: 1.5 }, 'createBlockMap: keyBlockSize must be a positive'],
    [
      { ...square, keyLengths: [65] },
      tiles,
      'createBlockMap: keyLengths must lie in 0..64, got 65',
    ],
    [{ ...square, queryOffset: [0, 1] }, tiles, 'createBlockMap: queryOffset needs one number'],
  ])('refuses what cannot be planned (%#)', (shape, sizes, message) => {
    expect(() => createBlockMap(causal, shape, sizes)).toThrow(RangeError)
    expect(() => createBlockMap(causal, shape, sizes)).toThrow(message)
  })
})
