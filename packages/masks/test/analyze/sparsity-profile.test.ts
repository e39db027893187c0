import { tensorFrom } from '@attn/core'
import type { Tensor } from '@attn/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { profileSvg, sparsityProfile } from '../../src/index.ts'

const width = 12
const length = width * width

/** Softmax over the keys up to the query of a score. */
function softmax(score: (query: number, key: number) => number): number[] {
  const weights: number[] = Array<number>(length * length).fill(0)
  for (let query = 0; query < length; query++) {
    let sum = 0
    for (let key = 0; key <= query; key++) {
      sum += weights[query * length + key] = Math.exp(score(query, key))
    }
    for (let key = 0; key <= query; key++) weights[query * length + key]! /= sum
  }
  return weights
}

/** A fixed, arbitrary whole number below `limit` for each argument. */
const scatter = (value: number, limit: number): number => (value * 7919 + 104729) % limit

const layer = (sequences: readonly (readonly number[][])[]): Tensor =>
  tensorFrom(sequences.flat(2), [sequences.length, sequences[0]!.length, length, length])

const local = softmax((i, j) => -Math.abs(i - j))
const row = softmax((i, j) => (Math.floor(i / width) === Math.floor(j / width) ? 9 : 0))
const column = softmax((i, j) => (i % width === j % width ? 9 : 0))
const sink = softmax((_, j) => (j === 3 ? 9 : 0))
const scattered = (seed: number): number[] =>
  softmax((i, j) => (j === scatter(i + seed, i + 1) ? 9 : 0))

describe('sparsityProfile', () => {
  const { heads } = sparsityProfile(layer([[local, row, column, sink, scattered(0)]]), {
    width,
    band: 3,
  })

  test('finds a local head', () => {
    expect(heads[0]!.shares.local).toBeGreaterThan(0.95)
    expect(heads[0]!.keysForNinety).toBeLessThan(5)
  })

  test('finds a head along the rows of an image and one along its columns', () => {
    expect(heads[1]!.shares.row + heads[1]!.shares.local).toBeGreaterThan(0.95)
    expect(heads[1]!.shares.row).toBeGreaterThan(4 * heads[1]!.chance.row)
    expect(heads[2]!.shares.column).toBeGreaterThan(0.7)
    expect(heads[2]!.shares.column).toBeGreaterThan(5 * heads[2]!.chance.column)
  })

  test('finds the key that everyone attends to', () => {
    expect(heads[3]!.globalKeys).toEqual([3])
    expect(heads[3]!.shares.globalKeys).toBeGreaterThan(0.8)
    for (const other of [0, 1, 2, 4]) expect(heads[other]!.globalKeys).toEqual([])
  })

  test('calls the rest data-dependent where there is nothing to compare', () => {
    expect(heads[4]!.shares.elsewhere).toBeGreaterThan(0.6)
    expect(heads[4]!.dataDependent).toBe(heads[4]!.shares.elsewhere)
    expect(heads[0]!.dataDependent).toBeLessThan(0.05)
  })

  test('measures data dependence over several sequences', () => {
    const same = sparsityProfile(layer([[scattered(0)], [scattered(0)]]))
    const different = sparsityProfile(layer([[scattered(0)], [scattered(11)]]))
    expect(same.dataDependent).toBeCloseTo(0, 10)
    expect(different.dataDependent).toBeGreaterThan(0.9)
    expect(different.heads[0]!.shares).not.toEqual(same.heads[0]!.shares)
  })

  test('averages the heads', () => {
    const { shares } = sparsityProfile(layer([[local, column]]), { width, band: 3 })
    expect(shares.column).toBeCloseTo((heads[0]!.shares.column + heads[2]!.shares.column) / 2, 12)
  })

  test('sorts even weights as chance does', () => {
    const { heads } = sparsityProfile(layer([[softmax(() => 0)]]), { width })
    for (const [place, share] of Object.entries(heads[0]!.shares)) {
      expect(share).toBeCloseTo(heads[0]!.chance[place as 'local'], 10)
    }
  })

  test('shares add up to 1, whatever the weights', () => {
    const weights = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
      minLength: 200,
      maxLength: 200,
    })
    fc.assert(
      fc.property(weights, (values) => {
        fc.pre(values.some((value) => value > 1e-9))
        const probabilities = tensorFrom(values, [2, 1, 10, 10])
        const { shares, dataDependent, heads } = sparsityProfile(probabilities, {
          width: 5,
          band: 1,
        })
        const total = Object.values(shares).reduce((sum, share) => sum + share, 0)
        expect(total).toBeCloseTo(1, 9)
        expect(Object.values(heads[0]!.chance).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9)
        expect(dataDependent).toBeGreaterThanOrEqual(0)
        expect(dataDependent).toBeLessThanOrEqual(1)
      }),
      { numRuns: 40 },
    )
  })

  test('weights that are all zero have no shares', () => {
    const { shares, heads } = sparsityProfile(tensorFrom(Array(16).fill(0), [1, 1, 4, 4]))
    expect(Object.values(shares)).toEqual([0, 0, 0, 0, 0])
    expect(heads[0]!.keysForNinety).toBe(0)
  })

  test('refuses what are no attention weights', () => {
    const weights = (values: number[]): Tensor => tensorFrom(values, [1, 1, 2, 2])
    expect(() => sparsityProfile(tensorFrom([1, 0], [1, 1, 1, 2]))).toThrow('got [1, 1, 1, 2]')
    expect(() => sparsityProfile(weights([1, 0, -0.5, 1.5]))).toThrow('got -0.5')
    expect(() => sparsityProfile(weights([1, 0, Number.NaN, 1]))).toThrow(RangeError)
    expect(() => sparsityProfile(weights([1, 0, 0, 1]), { band: -1 })).toThrow(RangeError)
    expect(() => sparsityProfile(weights([1, 0, 0, 1]), { globalFactor: 0 })).toThrow(RangeError)
    expect(() => sparsityProfile(weights([1, 0, 0, 1]), { width: 0 })).toThrow(RangeError)
  })
})

/** Places `column row` of the cells that are drawn in a colour at full strength. */
function darkCells(svg: string, color: string): Set<string> {
  const path = new RegExp(`fill="${color}" fill-opacity="1" [^>]* d="([^"]*)"`).exec(svg)![1]!
  const runs = [...path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)]
  expect(runs.map(([run]) => run).join('')).toBe(path)
  return new Set(
    runs.flatMap(([, column, row, count]) =>
      Array.from({ length: Number(count) }, (_, cell) => `${Number(column) + cell} ${row}`),
    ),
  )
}

describe('profileSvg', () => {
  const weights = layer([[local, column]])

  test('shows the shares of the head', () => {
    const svg = profileSvg(weights, { width, band: 3, head: 1, title: 'Layer <2>' })
    const { heads } = sparsityProfile(weights, { width, band: 3 })
    expect(svg).toContain('<title>Layer &lt;2&gt;</title>')
    expect(svg).toContain(`image column ${Math.round(100 * heads[1]!.shares.column)}%`)
    expect(svg).toContain('144 tokens, band 3, rows of 12')
  })

  test('draws the strongest weight of every row', () => {
    const svg = profileSvg(weights, { width, band: 0, head: 0 })
    const drawn = darkCells(svg, '#0072b2')
    for (let row = 0; row < length; row++) expect(drawn).toContain(`${row} ${row}`)
  })

  test('gives a cell two pixels at least', () => {
    const cellsAt = (size: number): number =>
      Number(
        /<rect width="(\d+)" height="\1" fill="#/.exec(profileSvg(weights, { width, size }))![1],
      )
    expect([512, 288, 287, 100].map(cellsAt)).toEqual([144, 144, 72, 48])
  })

  test('refuses a head that is not there', () => {
    expect(() => profileSvg(weights, { head: 2 })).toThrow('2 heads')
    expect(() => profileSvg(weights, { batch: 1 })).toThrow('1 sequences')
  })
})

// Heads made by hand of an 8 x 8 image, causal, with even weights on the pairs of their pattern.
describe('sparsityProfile of a square image, by default', () => {
  const side = 8
  const tokens = side * side
  const evenly = (sees: (query: number, key: number) => boolean): number[] =>
    Array.from({ length: tokens }, (_, query) => {
      const seen = Array.from({ length: tokens }, (_, key) => key <= query && sees(query, key))
      const count = seen.filter(Boolean).length
      return seen.map((visible) => (visible ? 1 / count : 0))
    }).flat()
  const heads = {
    row: evenly((i, j) => Math.floor(i / side) === Math.floor(j / side)),
    column: evenly((i, j) => i % side === j % side),
    local: evenly((i, j) => i - j <= 1),
    globalKeys: evenly((_, j) => j === 0),
  }
  const names = Object.keys(heads) as (keyof typeof heads)[]
  const weights = tensorFrom(Object.values(heads).flat(), [1, names.length, tokens, tokens])
  const profile = sparsityProfile(weights, { width: side })

  test.each(names.map((name, head) => [name, head] as const))(
    'a %s head reads as such',
    (name, head) => {
      const { shares } = profile.heads[head]!
      expect(shares[name]).toBeGreaterThan(0.74)
    },
  )

  test('its first row and column are what cannot be told apart', () => {
    // The first two queries of a row see near keys alone, and so do those of the first row in a column.
    expect(profile.heads[0]!.shares.local).toBeCloseTo(1 / 4, 6)
    expect(profile.heads[1]!.shares.local).toBeCloseTo(1 / 8, 6)
    expect(profile.heads[3]!.globalKeys).toEqual([0])
  })

  test('the band is an eighth of a row, and never a row', () => {
    const bandOf = (width: number): number =>
      sparsityProfile(tensorFrom([1, 0, 0.5, 0.5], [1, 1, 2, 2]), { width }).band
    expect([1, 2, 8, 12, 28, 64].map(bandOf)).toEqual([1, 1, 1, 1, 3, 8])
    expect(profile.band).toBe(1)
  })

  test('the picture has the colours of the shares', () => {
    const svg = profileSvg(weights, { width: side, head: 0 })
    expect(svg).toContain('local band 25%')
    expect(svg).toContain('image row 75%')
    // Query 5 of a row: the query and its neighbour are as green as the rest of the row.
    const green = darkCells(svg, '#009e73')
    for (const key of [0, 1, 2, 3, 4, 5]) expect(green).toContain(`${key} 5`)
  })
})
