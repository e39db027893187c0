import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UnsupportedError } from '@attn/core'
import { gradientRange, splitGradient } from '../../../src/plan/backward/backward-dispatch.ts'
import type {
  GradientDispatch,
  GradientProblem,
} from '../../../src/plan/backward/backward-dispatch.ts'
import type { Range } from '../../../src/plan/dispatch.ts'
import { arbitraryProblems } from '../arbitrary-call.ts'

const indices = ({ start, end }: Range): number[] =>
  Array.from({ length: end - start }, (_, i) => start + i)
const length = ({ start, end }: Range): number => end - start

/** A problem of either kernel, with the tensors and limits of a random forward call. */
const problems: fc.Arbitrary<GradientProblem> = fc
  .record({
    call: arbitraryProblems,
    rowTokens: fc.constantFrom('queries' as const, 'keys' as const),
    rows: fc.constantFrom(16, 32),
    columns: fc.constantFrom(16, 48),
    separatePlanes: fc.boolean(),
    tileWork: fc.integer({ min: 1, max: 1000 }),
  })
  .map(({ call, rows, columns, rowTokens, separatePlanes, ...rest }) => ({
    ...rest,
    rowTokens,
    separatePlanes: separatePlanes && rowTokens === 'queries',
    shape: call.shape,
    tensors: call.tensors,
    limits: call.limits,
    tile: { rows, columns },
  }))

function split(problem: GradientProblem): GradientDispatch[] {
  try {
    return splitGradient('test', problem)
  } catch (error) {
    if (error instanceof UnsupportedError) return []
    throw error
  }
}

describe('splitGradient', () => {
  it('covers every pair of tiles once, and adds only to what was written before', () => {
    fc.assert(
      fc.property(problems, (problem) => {
        const { shape, rowTokens } = problem
        const unit = rowTokens === 'keys' ? shape.heads / shape.kvHeads : 1
        const seen = new Set<string>()
        const written = new Map<string, number>()
        const wrong: string[] = []
        const boxes = split(problem)
        boxes.forEach(({ batches, heads, rowTiles, columnTiles, accumulate }, number) => {
          for (const batch of indices(batches)) {
            for (const head of indices(heads)) {
              for (const row of indices(rowTiles)) {
                // What a workgroup owns: rows of a query head, or of a key head.
                const own = `${batch},${Math.floor(head / unit)},${row}`
                const first = written.get(own) ?? number
                if (first < number !== accumulate) wrong.push(`${own} in ${number}`)
                written.set(own, first)
                for (const column of indices(columnTiles)) {
                  const pair = `${batch},${head},${row},${column}`
                  if (seen.has(pair)) wrong.push(`${pair} twice`)
                  seen.add(pair)
                }
              }
            }
          }
        })
        expect(wrong).toEqual([])
        const tiles =
          rowTokens === 'queries'
            ? [shape.queryLength / problem.tile.rows, shape.keyLength / problem.tile.columns]
            : [shape.keyLength / problem.tile.rows, shape.queryLength / problem.tile.columns]
        const all = tiles.reduce((product, count) => product * Math.ceil(count), 1)
        const expected = boxes.length === 0 ? 0 : shape.batch * shape.heads * all
        expect(seen.size).toBe(expected)
      }),
    )
  })

  it('keeps to the limits: workgroups, bindings, and work where it can be cut', () => {
    fc.assert(
      fc.property(problems, (problem) => {
        const { limits, rowTokens, shape, tileWork, separatePlanes } = problem
        const group = rowTokens === 'keys' ? shape.heads / shape.kvHeads : 1
        for (const box of split(problem)) {
          const most = limits.maxComputeWorkgroupsPerDimension
          expect(length(box.batches)).toBeLessThanOrEqual(separatePlanes ? 1 : most)
          expect(length(box.rowTiles)).toBeLessThanOrEqual(most)
          const ownHeads = Math.ceil(box.heads.end / group) - Math.floor(box.heads.start / group)
          expect(ownHeads).toBeLessThanOrEqual(separatePlanes ? 1 : most)
          const sizes = problem.tensors.map((tensor) => gradientRange(problem, box, tensor).size)
          expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.maxStorageBufferBindingSize)
          const tiles = length(box.rowTiles) * length(box.columnTiles)
          const work = length(box.batches) * length(box.heads) * tiles * tileWork
          const smallest = length(box.batches) * length(box.heads) * tiles === 1
          expect(work <= limits.workBudget || smallest).toBe(true)
        }
      }),
    )
  })

  it('shares a key head between dispatches only where nothing else can be cut', () => {
    const shape = {
      batch: 1,
      heads: 4,
      kvHeads: 2,
      queryLength: 16,
      keyLength: 16,
      headDim: 4,
      valueDim: 4,
    }
    const problem: GradientProblem = {
      shape,
      rowTokens: 'keys',
      tile: { rows: 16, columns: 16 },
      tensors: [],
      limits: {
        maxComputeWorkgroupsPerDimension: 10,
        maxStorageBufferBindingSize: 100,
        minStorageBufferOffsetAlignment: 4,
        workBudget: 1,
      },
      separatePlanes: false,
      tileWork: 1,
    }
    const heads = splitGradient('test', problem).map((box) => [box.heads.start, box.accumulate])
    expect(heads).toEqual([
      [0, false],
      [1, true],
      [2, false],
      [3, true],
    ])
    const whole = { ...problem, limits: { ...problem.limits, workBudget: 2 } }
    expect(splitGradient('test', whole).map((box) => box.heads)).toEqual([
      { start: 0, end: 2 },
      { start: 2, end: 4 },
    ])
  })
})
