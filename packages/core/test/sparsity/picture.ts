// Pictures of block maps for tests: '#' full, '+' partial, '.' empty, a line for each row of tiles,
// for every sequence and head.
import { blockMapToText, compile, createBlockMap } from '@attn/core'
import type { BlockMapShape, BlockSizes, Mask, Point } from '@attn/core'

/** What {@link createBlockMap} finds. */
export function plannedPicture(
  pattern: Mask | undefined,
  shape: BlockMapShape,
  sizes: BlockSizes,
): string {
  const map = createBlockMap(pattern, shape, sizes)
  const planes: string[] = []
  for (let batch = 0; batch < shape.batch; batch++) {
    for (let head = 0; head < shape.heads; head++) planes.push(blockMapToText(map, batch, head))
  }
  return planes.join('\n\n')
}

/** What evaluating the mask at every pair finds. */
export function evaluatedPicture(
  pattern: Mask | undefined,
  shape: BlockMapShape,
  { queryBlockSize, keyBlockSize }: BlockSizes,
): string {
  const { queryLength, keyLength, heads, parameters = {} } = shape
  const allows = pattern ? compile(pattern.expression, { parameters }) : () => 1
  const planes: string[] = []
  for (let batch = 0; batch < shape.batch; batch++) {
    const keysThatCount = Number(shape.keyLengths?.[batch] ?? keyLength)
    const { queryOffset = keysThatCount - queryLength } = shape
    const offset = typeof queryOffset === 'number' ? queryOffset : Number(queryOffset[batch])
    for (let head = 0; head < heads; head++) {
      // One object for all pairs, of which there are millions.
      const point: Point = { batch, head, queryLength, keyLength, heads }
      const sees = (queryIndex: number, key: number): boolean => {
        point.query = offset + queryIndex
        point.queryIndex = queryIndex
        point.key = key
        return key < keysThatCount && allows(point) === 1
      }
      const lines: string[] = []
      for (let row = 0; row < queryLength; row += queryBlockSize) {
        let line = ''
        for (let column = 0; column < keyLength; column += keyBlockSize) {
          let visible = 0
          let pairs = 0
          // Rows past the last query do not exist, keys past the last one are not visible.
          for (let i = row; i < Math.min(row + queryBlockSize, queryLength); i++) {
            for (let key = column; key < column + keyBlockSize; key++) {
              pairs++
              if (sees(i, key)) visible++
            }
          }
          line += visible === 0 ? '.' : visible === pairs ? '#' : '+'
        }
        lines.push(line)
      }
      planes.push(lines.join('\n'))
    }
  }
  return planes.join('\n\n')
}
