// The lecture in the terminal: a table of verdicts, and each claim as it is examined.
import { formatTable } from '../report/table.ts'
import type { LectureRow, Verdict } from './claim.ts'
import type { LectureReport } from './run-lecture.ts'

const marks: Readonly<Record<Verdict, string>> = {
  holds: 'holds',
  'holds within limits': 'within limits',
  'does not hold here': 'does not hold',
  'not run': 'not run',
}

/** One claim: what is said, what was run, what came out. */
export function formatRow(row: LectureRow, width = 100): string {
  const { number, slide, claim, source, command, ran, found, verdict, why } = row
  return [
    `${number}. ${slide}`,
    ...wrap(`${claim} (${source})`, width),
    ...(verdict === 'not run'
      ? wrap(`not run: ${why ?? ''}`, width)
      : [
          ...wrap(`ran:   ${ran}`, width),
          ...wrap(`found: ${found}`, width),
          ...wrap(`${verdict}${why === undefined ? '' : `: ${why}`}`, width),
        ]),
    `   see ${command}`,
    '',
  ].join('\n')
}

/** All verdicts in a table, and how many of each. */
export function formatLecture({ rows, seconds, device }: LectureReport): string {
  const count = (verdict: Verdict): number => rows.filter((row) => row.verdict === verdict).length
  const columns = [
    { group: '', title: '#' },
    { group: '', title: 'verdict' },
    { group: '', title: 'claim'.padEnd(80) },
  ]
  const widest = Math.max(...Object.values(marks).map(({ length }) => length))
  return [
    formatTable(
      columns,
      rows.map(({ number, verdict, claim }) => [
        String(number),
        marks[verdict].padEnd(widest),
        (claim.length > 80 ? `${claim.slice(0, 79)}…` : claim).padEnd(80),
      ]),
    ),
    '',
    `${rows.length} claims in ${Math.round(seconds)} s on ${device.name}: ${count('holds')} hold, ` +
      `${count('holds within limits')} within limits, ${count('does not hold here')} do not hold here, ` +
      `${count('not run')} were not run`,
  ].join('\n')
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`
    } else {
      lines.push(`   ${word}`)
    }
  }
  return lines
}
