import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { appendRows } from '../../src/sparsity/append-rows.ts'
import type { RowRuns } from '../../src/sparsity/row-runs.ts'

const columns = 12
/** A row of tiles, each 0 (empty), 1 (partial) or 2 (full), or how it comes from an earlier one. */
const tiles = fc.array(fc.nat({ max: 2 }), { minLength: columns, maxLength: columns })
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('add' as const), tiles }),
    fc.record({ kind: fc.constant('copy' as const), tiles }),
    fc.record({
      kind: fc.constant('repeat' as const),
      tiles,
      from: fc.nat(),
      distance: fc.integer({ min: 1, max: 5 }),
      end: fc.integer({ min: 6, max: columns }),
    }),
    fc.record({ kind: fc.constant('share' as const) }),
  ),
  { minLength: 1, maxLength: 20 },
)

function tilesOf({ starts, ends, runs }: RowRuns, row: number): number[] {
  const found = Array<number>(columns).fill(0)
  for (let run = starts[row]!; run < ends[row]!; run++) {
    const start = runs[2 * run]!
    const packed = runs[2 * run + 1]!
    found.fill(1 + (packed & 1), start, start + (packed >>> 1))
  }
  return found
}

const singleRow = (row: readonly number[]): RowRuns => {
  const rows = appendRows(1, columns)
  row.forEach((tile, column) => tile > 0 && rows.add(column, 1, tile === 2))
  rows.endRow()
  return rows.finish()
}

it('holds the rows that were added, in pieces of any size', () => {
  fc.assert(
    fc.property(steps, fc.constantFrom(4, 8, 30, 2 ** 20), (steps, pieceWords) => {
      const rows = appendRows(steps.length, columns, pieceWords)
      const expected: number[][] = []
      steps.forEach((step, row) => {
        if (step.kind === 'share' && row > 0) {
          expected.push(expected.at(-1)!)
          rows.shareRow()
          return
        }
        const line = Array<number>(columns).fill(0)
        if (step.kind === 'add') {
          step.tiles.forEach((tile, column) => tile > 0 && rows.add(column, 1, tile === 2))
          line.splice(0, columns, ...step.tiles)
        } else if (step.kind === 'copy') {
          rows.copy(singleRow(step.tiles), 0)
          line.splice(0, columns, ...step.tiles)
        } else if (step.kind === 'repeat' && row > 0) {
          const { distance, end } = step
          const from = step.from % row
          const before = step.tiles.slice(0, distance)
          rows.copy(singleRow(before), 0)
          rows.repeat(from, distance, end)
          line.splice(0, distance, ...before)
          line.splice(distance, end - distance, ...expected[from]!.slice(0, end - distance))
        }
        rows.endRow()
        expected.push(line)
      })
      const found = rows.finish()
      expect(steps.map((_, row) => tilesOf(found, row))).toEqual(expected)
      // Neighbouring runs of one kind are one run.
      for (let row = 0; row < steps.length; row++) {
        for (let run = found.starts[row]! + 1; run < found.ends[row]!; run++) {
          const [start, before, , packed] = found.runs.subarray(2 * run - 2, 2 * run + 2)
          const touches = start! + (before! >>> 1) === found.runs[2 * run]
          expect(touches && (before! & 1) === (packed! & 1)).toBe(false)
        }
      }
    }),
    { numRuns: 500 },
  )
})
