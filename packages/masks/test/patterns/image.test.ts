import { describe, expect, test } from 'vitest'
import { axial, neighbourhood } from '../../src/index.ts'
import { pairs, pairsOf } from '../support/pairs.ts'

/** The `side` values nearest to `at` that lie in 0 .. size - 1, as NATTEN's paper has it. */
const nearest = (at: number, side: number, size: number): number[] => {
  const first = Math.min(Math.max(at - (side - 1) / 2, 0), size - side)
  return Array.from({ length: side }, (_, step) => first + step)
}

describe('neighbourhood', () => {
  test.each([
    [10, 13, 3, 5],
    [13, 10, 1, 1],
    [5, 5, 5, 5],
    [7, 18, 7, 3],
  ])('shifted: every pixel of %d x %d sees %d x %d others', (height, width, rows, columns) => {
    const pattern = neighbourhood({ height, width, kernel: [rows, columns] })
    expect(pairsOf(pattern, height * width)).toEqual(
      pairs(
        height * width,
        (i, j) =>
          nearest(Math.floor(i / width), rows, height).includes(Math.floor(j / width)) &&
          nearest(i % width, columns, width).includes(j % width),
      ),
    )
  })

  test('cropped: the pixels within the radius', () => {
    const pattern = neighbourhood({ height: 10, width: 13, kernel: 5, edges: 'crop' })
    expect(pairsOf(pattern, 130)).toEqual(
      pairs(130, (i, j) => {
        const down = Math.abs(Math.floor(i / 13) - Math.floor(j / 13))
        return down <= 2 && Math.abs((i % 13) - (j % 13)) <= 2
      }),
    )
  })

  test('refuses kernels without a middle or larger than the image', () => {
    const image = { height: 4, width: 9 }
    expect(() => neighbourhood({ ...image, kernel: 2 })).toThrow('must be odd, got 2')
    expect(() => neighbourhood({ ...image, kernel: 5 })).toThrow('must fit the image, got 5 for 4')
    expect(neighbourhood({ ...image, kernel: 5, edges: 'crop' }).name).toBe('neighbourhood')
    expect(() => neighbourhood({ ...image, kernel: 3, edges: 'wrap' as 'crop' })).toThrow(TypeError)
    expect(() => neighbourhood({ height: 0, width: 1, kernel: 1 })).toThrow(RangeError)
  })
})

describe('axial', () => {
  test('is row and column', () => {
    for (const width of [1, 5, 13, 130]) {
      const [row, column] = axial(width).heads
      expect(pairsOf(row!, 130)).toEqual(
        pairs(130, (i, j) => Math.floor(i / width) === Math.floor(j / width)),
      )
      expect(pairsOf(column!, 130)).toEqual(pairs(130, (i, j) => i % width === j % width))
    }
  })

  test('connects any two pixels in two steps, in either order, while rows are full', () => {
    expect(axial(8).isValid(64)).toBe(true)
    expect(axial(8).reach(60).literal.missing.length).toBeGreaterThan(0)
  })
})
