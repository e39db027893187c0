// The score matrix as a picture's cells: which part of the pattern is strongest in each, and how much
// of it is visible. Up to `mostCells` tokens a cell is one pair.
import type { Mask } from '@attn/core'
import { pairTest } from '../analyze/plane.ts'
import type { Plane } from '../analyze/plane.ts'
import { componentsOf } from '../pattern.ts'

/** The cells of a picture. */
export interface Cells {
  readonly rows: number
  readonly columns: number
  /** Tokens along each side of a cell. */
  readonly tokens: number
  /** Number of the part that allows most pairs of a cell, or -1 where none is visible. */
  readonly part: Int8Array
  /** Visible pairs / pairs, of each cell. */
  readonly density: Float32Array
  /** Names of the parts that are visible anywhere, by number. */
  readonly names: ReadonlyMap<number, string>
}

/** The number of the first part that allows a pair, or -1. */
export function partTest(mask: Mask, plane: Plane): (row: number, key: number) => number {
  const tests = componentsOf(mask).map((part) => pairTest(part, plane))
  return (row, key) => tests.findIndex((allows) => allows(row, key))
}

/** Works out every cell. */
export function cellsOf(mask: Mask, plane: Plane, mostCells: number): Cells {
  const { queryLength, keyLength } = plane
  const tokens = Math.ceil(Math.max(queryLength, keyLength) / mostCells)
  const rows = Math.ceil(queryLength / tokens)
  const columns = Math.ceil(keyLength / tokens)
  const part = new Int8Array(rows * columns)
  const density = new Float32Array(rows * columns)
  const components = componentsOf(mask)
  const partOf = partTest(mask, plane)
  const names = new Map<number, string>()
  const counts = new Int32Array(components.length)
  for (let cell = 0; cell < rows * columns; cell++) {
    const firstRow = Math.floor(cell / columns) * tokens
    const firstKey = (cell % columns) * tokens
    const endRow = Math.min(firstRow + tokens, queryLength)
    const endKey = Math.min(firstKey + tokens, keyLength)
    counts.fill(0)
    for (let row = firstRow; row < endRow; row++) {
      for (let key = firstKey; key < endKey; key++) {
        const found = partOf(row, key)
        if (found >= 0) counts[found]!++
      }
    }
    const strongest = counts.indexOf(Math.max(...counts))
    const visible = counts.reduce((sum, count) => sum + count, 0)
    part[cell] = visible === 0 ? -1 : strongest
    density[cell] = visible / ((endRow - firstRow) * (endKey - firstKey))
    counts.forEach((count, index) => {
      if (count > 0) names.set(index, components[index]!.name)
    })
  }
  return { rows, columns, tokens, part, density, names }
}
