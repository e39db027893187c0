import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  deepSpeedBigBird,
  deepSpeedBSLongformer,
  deepSpeedFixed,
  deepSpeedLocalSlidingWindow,
  deepSpeedVariable,
} from '../../src/index.ts'
import type { DeepSpeedAttention } from '../../src/index.ts'
import { names } from '../support/names.ts'
import { pairs, pairsOf, pairsOfParts } from '../support/pairs.ts'
import { range, sample } from '../support/sampling.ts'

interface Layout {
  readonly rows: (from: number, to: number) => Layout
  readonly columns: (from: number, to: number) => Layout
  readonly square: (from: number, to: number) => Layout
  readonly band: (reach: number) => Layout
  readonly random: (
    count: number,
    head: number,
    seed: number,
    attention: DeepSpeedAttention,
  ) => Layout
  readonly tokens: (block: number, attention: DeepSpeedAttention) => string[]
}

/** A layout as DeepSpeed stores it: rows and columns of blocks, filled in step by step. */
function layoutOf(blocks: number): Layout {
  const cells = range(blocks).map(() => new Uint8Array(blocks))
  const layout: Layout = {
    rows: (from, to) => {
      for (const row of cells.slice(from, to)) row.fill(1)
      return layout
    },
    columns: (from, to) => {
      for (const row of cells) row.fill(1, from, to)
      return layout
    },
    square: (from, to) => {
      for (const row of cells.slice(from, to)) row.fill(1, from, to)
      return layout
    },
    band: (reach) => {
      cells.forEach((row, at) => row.fill(1, Math.max(at - reach, 0), at + reach + 1))
      return layout
    },
    random: (count, head, seed, attention) => {
      cells.forEach((row, at) => {
        const candidates = range(attention === 'unidirectional' ? at + 1 : blocks)
        for (const column of sample(candidates, count, { seed, row: at, head })) row[column] = 1
      })
      return layout
    },
    tokens: (block, attention) =>
      pairs(
        blocks * block,
        (i, j) =>
          cells[Math.floor(i / block)]![Math.floor(j / block)] &&
          (attention === 'bidirectional' || j <= i),
      ),
  }
  return layout
}

const attentions = fc.constantFrom<DeepSpeedAttention>('unidirectional', 'bidirectional')
const runs = { numRuns: 25 }
const small = (minimum: number, maximum: number): fc.Arbitrary<number> =>
  fc.integer({ min: minimum, max: maximum })

test('deepSpeedFixed', () => {
  const choices = fc.record({
    blocks: small(1, 26),
    block: small(1, 5),
    windows: small(1, 4),
    globals: small(1, 3),
    head: small(0, 5),
    horizontal: fc.boolean(),
    attention: attentions,
  })
  fc.assert(
    fc.property(choices, ({ blocks, block, windows, globals, head, horizontal, attention }) => {
      const local = windows * globals
      fc.pre(blocks >= globals)
      const bidirectional = attention === 'bidirectional'
      const pattern = deepSpeedFixed({
        seq_len: blocks * block,
        num_heads: 6,
        block,
        different_layout_per_head: true,
        num_local_blocks: local,
        num_global_blocks: globals,
        attention,
        horizontal_global_attention: horizontal && bidirectional,
        num_different_global_patterns: windows,
      })
      const layout = layoutOf(blocks)
      for (let start = 0; start < blocks; start += local) {
        layout.square(start, start + local)
        const first = start + local - (1 + (head % windows)) * globals
        const from = start + local > blocks ? Math.min(first, blocks - globals) : first
        layout.columns(from, from + globals)
        if (horizontal && bidirectional) layout.rows(from, from + globals)
      }
      expect(pairsOf(pattern, blocks * block, { head })).toEqual(layout.tokens(block, attention))
      expect(pairsOfParts(pattern, blocks * block, { head })).toEqual(
        layout.tokens(block, attention),
      )
    }),
    runs,
  )
})

test('deepSpeedVariable', () => {
  const choices = fc.record({
    blocks: small(1, 20),
    block: small(1, 6),
    windows: fc.array(small(1, 6), { minLength: 1, maxLength: 4 }),
    globals: fc.uniqueArray(small(0, 25), { maxLength: 6 }),
    random: small(0, 3),
    horizontal: fc.boolean(),
    attention: attentions,
    head: small(0, 3),
  })
  fc.assert(
    fc.property(choices, (chosen) => {
      const { blocks, block, windows, globals, random, attention, head } = chosen
      fc.pre(random <= blocks)
      const horizontal = chosen.horizontal && attention === 'bidirectional'
      const pattern = deepSpeedVariable({
        seq_len: blocks * block,
        num_heads: 2,
        block,
        different_layout_per_head: true,
        num_random_blocks: random,
        local_window_blocks: windows,
        global_block_indices: globals,
        attention,
        horizontal_global_attention: horizontal,
        seed: 3,
      })
      const layout = layoutOf(blocks)
      let start = 0
      for (let window = 0; start < blocks; window++) {
        const size = windows[window] ?? windows.at(-1)!
        layout.square(start, start + size)
        start += size
      }
      for (const at of globals) {
        layout.columns(at, at + 1)
        if (horizontal) layout.rows(at, at + 1)
      }
      layout.random(random, head % 2, 3, attention)
      expect(pairsOf(pattern, blocks * block, { head })).toEqual(layout.tokens(block, attention))
    }),
    runs,
  )
})

test('deepSpeedBSLongformer', () => {
  fc.assert(
    fc.property(
      small(5, 25),
      small(1, 5),
      small(1, 5),
      attentions,
      (blocks, block, n, attention) => {
        const pattern = deepSpeedBSLongformer({
          seq_len: blocks * block,
          num_heads: 4,
          block,
          num_sliding_window_blocks: n,
          global_block_indices: [1, 4, 22],
          global_block_end_indices: [3, 5, 40],
          attention,
        })
        const layout = layoutOf(blocks).band(Math.floor(n / 2))
        for (const [from, to] of [
          [1, 3],
          [4, 5],
          [22, 40],
        ] as const) {
          layout.columns(from, to).rows(from, to)
        }
        expect(pairsOf(pattern, blocks * block)).toEqual(layout.tokens(block, attention))
      },
    ),
    runs,
  )
})

test('deepSpeedLocalSlidingWindow', () => {
  fc.assert(
    fc.property(
      small(5, 25),
      small(1, 5),
      small(1, 5),
      attentions,
      (blocks, block, n, attention) => {
        const pattern = deepSpeedLocalSlidingWindow({
          seq_len: blocks * block,
          num_heads: 4,
          block,
          num_sliding_window_blocks: n,
          attention,
        })
        const layout = layoutOf(blocks).band(Math.floor(n / 2))
        expect(pairsOf(pattern, blocks * block)).toEqual(layout.tokens(block, attention))
      },
    ),
    runs,
  )
})

test('deepSpeedBigBird', () => {
  fc.assert(
    fc.property(
      small(4, 20),
      small(1, 6),
      small(0, 4),
      attentions,
      (blocks, block, n, attention) => {
        const pattern = deepSpeedBigBird({
          seq_len: blocks * block,
          num_heads: 4,
          block,
          num_random_blocks: n,
          num_global_blocks: 2,
          attention,
          seed: 8,
        })
        const layout = layoutOf(blocks).band(1).rows(0, 2).columns(0, 2)
        layout.random(n, 0, 8, attention)
        expect(pairsOf(pattern, blocks * block, { head: 3 })).toEqual(
          layout.tokens(block, attention),
        )
      },
    ),
    runs,
  )
})

describe('defaults and limits', () => {
  const sizes = { seq_len: 128, num_heads: 4 }

  test('are those of DeepSpeed', () => {
    const fixedLayout = layoutOf(8).square(0, 4).square(4, 8).columns(3, 4).columns(7, 8)
    expect(pairsOf(deepSpeedFixed(sizes), 128)).toEqual(fixedLayout.tokens(16, 'bidirectional'))
    const variable = layoutOf(8).square(0, 4).square(4, 8).columns(0, 1)
    expect(pairsOf(deepSpeedVariable(sizes), 128)).toEqual(variable.tokens(16, 'bidirectional'))
    const longformer = layoutOf(8).band(1).columns(0, 1).rows(0, 1)
    expect(pairsOf(deepSpeedBSLongformer(sizes), 128)).toEqual(
      longformer.tokens(16, 'bidirectional'),
    )
    const window = layoutOf(8).band(1)
    expect(pairsOf(deepSpeedLocalSlidingWindow(sizes), 128)).toEqual(
      window.tokens(16, 'unidirectional'),
    )
    expect(names(deepSpeedBigBird(sizes))).toEqual([
      'window',
      'globalKeys',
      'globalQueries',
      'random',
    ])
  })

  test.each([
    ['a length that is no multiple', () => deepSpeedFixed({ ...sizes, seq_len: 100 })],
    [
      'global blocks that do not divide the window',
      () => deepSpeedFixed({ ...sizes, num_local_blocks: 4, num_global_blocks: 3 }),
    ],
    [
      'global rows of a unidirectional layout',
      () =>
        deepSpeedFixed({
          ...sizes,
          attention: 'unidirectional',
          horizontal_global_attention: true,
        }),
    ],
    [
      'several patterns for one layout',
      () => deepSpeedFixed({ ...sizes, num_different_global_patterns: 2 }),
    ],
    [
      'more patterns than places',
      () =>
        deepSpeedFixed({
          ...sizes,
          different_layout_per_head: true,
          num_different_global_patterns: 5,
        }),
    ],
    ['no window', () => deepSpeedVariable({ ...sizes, local_window_blocks: [] })],
    ['an empty window', () => deepSpeedVariable({ ...sizes, local_window_blocks: [0] })],
    [
      'a range without an end',
      () =>
        deepSpeedVariable({ ...sizes, global_block_indices: [0], global_block_end_indices: [] }),
    ],
    [
      'a range that ends before it starts',
      () =>
        deepSpeedBSLongformer({
          ...sizes,
          global_block_indices: [3],
          global_block_end_indices: [3],
        }),
    ],
    [
      'a window of more blocks than there are',
      () => deepSpeedLocalSlidingWindow({ ...sizes, num_sliding_window_blocks: 9 }),
    ],
    ['more random blocks than blocks', () => deepSpeedBigBird({ ...sizes, num_random_blocks: 9 })],
    ['more global blocks than blocks', () => deepSpeedBigBird({ ...sizes, num_global_blocks: 9 })],
  ])('%s is refused', (_, build) => {
    expect(build).toThrow(RangeError)
  })

  test('another attention is refused', () => {
    expect(() => deepSpeedFixed({ ...sizes, attention: 'both' as 'bidirectional' })).toThrow(
      "deepSpeedFixed: attention must be 'unidirectional' or 'bidirectional', got both",
    )
  })
})
