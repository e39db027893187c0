// `attn io` in the terminal.
import { formatLength, threeDigits } from '../report/format.ts'
import { formatTable } from '../report/table.ts'
import type { TrafficReport, TrafficRow } from './traffic-report.ts'

/** Tables over N and over M, the crossings and the fitted bounds. */
export function formatTraffic(report: TrafficReport): string {
  const { pass, overLength, overMemory, crossings, constants } = report
  const columns = [
    { group: '', title: 'N' },
    { group: '', title: 'D' },
    { group: '', title: 'M' },
    { group: '', title: 'M / D²' },
    { group: 'millions of elements a head', title: 'standard' },
    { group: 'millions of elements a head', title: 'FlashAttention' },
    { group: 'millions of elements a head', title: 'FlashAttention-2' },
    { group: 'standard is', title: 'FlashAttention' },
    { group: 'standard is', title: 'FlashAttention-2' },
  ]
  const cells = (row: TrafficRow): string[] => [
    formatLength(row.length),
    String(row.headDim),
    String(row.onChipElements),
    threeDigits(row.onChipElements / row.headDim ** 2),
    ...[row.standard, row.keysOutside, row.queriesOutside].map((count) => threeDigits(count / 1e6)),
    ...[row.keysOutside, row.queriesOutside].map(
      (count) => `${threeDigits(row.standard / count)}x`,
    ),
  ]
  const passes = pass === 'both' ? 'forward and backward' : pass
  return [
    `Memory traffic of attention, ${passes}, counted from the schedules (keys outside: FlashAttention;`,
    'queries outside: FlashAttention-2; tiles by the rule of the paper)',
    '',
    formatTable(columns, overLength.map(cells)),
    '',
    formatTable(columns, overMemory.filter((_, index) => index % 2 === 0).map(cells)),
    '',
    ...crossings.map(
      ({ headDim, length, keysOutside, queriesOutside }) =>
        `less than standard at N = ${formatLength(length)}, D = ${headDim}: FlashAttention from M = ` +
        `${threeDigits(keysOutside)} D², FlashAttention-2 from ${threeDigits(queriesOutside)} D²`,
    ),
    `bounds: standard ${threeDigits(constants.standard)} (N D + N²), FlashAttention ` +
      `${threeDigits(constants.keysOutside)} N² D² / M, FlashAttention-2 ` +
      `${threeDigits(constants.queriesOutside)} N² D² / M`,
  ].join('\n')
}
