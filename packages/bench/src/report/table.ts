// Text tables with grouped headings, numbers flush right.
import { rangeError } from '@attn/core'

/** One column. */
export interface Column {
  /** Heading of the group it belongs to; neighbours of the same group share one. */
  readonly group: string
  readonly title: string
}

const gap = '  '
const groupGap = '   '

/**
 * Lays cells out under their headings.
 *
 * @param columns - At least one.
 * @param rows - As many cells as columns, each.
 * @throws RangeError when a row has another number of cells.
 *
 * @example
 * ```ts
 * import { formatTable } from '@attn/bench'
 * const columns = [{ group: '', title: 'length' }, { group: 'flash', title: 'ms' }]
 * formatTable(columns, [['1k', '12.3']]) // => '         flash\nlength      ms\n    1k    12.3'
 * ```
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  for (const row of rows) {
    if (row.length !== columns.length) {
      throw rangeError(`formatTable: a row must have ${columns.length} cells, got ${row.length}`)
    }
  }
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]!.length)),
  )
  const groups = groupColumns(columns)
  // A long group heading widens the last of its columns.
  for (const { name, first, last } of groups) {
    const inner = widths.slice(first, last + 1).reduce((sum, width) => sum + width + gap.length, 0)
    widths[last]! += Math.max(0, name.length - (inner - gap.length))
  }
  const separator = (index: number): string =>
    index === 0 ? '' : groups.some(({ first }) => first === index) ? groupGap : gap
  const line = (cells: readonly string[]): string =>
    cells.map((cell, index) => separator(index) + cell.padStart(widths[index]!)).join('')
  const headings = groups.map(({ name, first, last }) => {
    const width = widths
      .slice(first, last + 1)
      .reduce((sum, each, index) => sum + each + (index > 0 ? gap.length : 0), 0)
    return separator(first) + name.padEnd(width)
  })
  return [
    headings.join('').trimEnd(),
    line(columns.map(({ title }) => title)),
    ...rows.map(line),
  ].join('\n')
}

interface Group {
  readonly name: string
  readonly first: number
  readonly last: number
}

function groupColumns(columns: readonly Column[]): Group[] {
  const groups: Group[] = []
  for (const [index, { group }] of columns.entries()) {
    const previous = groups.at(-1)
    if (previous?.name === group) groups[groups.length - 1] = { ...previous, last: index }
    else groups.push({ name: group, first: index, last: index })
  }
  return groups
}
