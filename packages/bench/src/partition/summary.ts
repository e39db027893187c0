// `attn partition` in the terminal.
import { formatLength, threeDigits } from '../report/format.ts'
import { formatTable } from '../report/table.ts'
import type { Partition, PartitionReport, PartitionResult } from './report.ts'

/** Milliseconds of one partition; undefined where it was skipped. */
export function partitionTime(result: PartitionResult, partition: Partition): number | undefined {
  const outcome = result.outcomes[partition]
  return outcome.status === 'measured' ? outcome.time.median : undefined
}

/** A table: lengths and heads down, partitions across. */
export function formatPartition({ device, headDim, results }: PartitionReport): string {
  const columns = [
    { group: '', title: 'length' },
    { group: '', title: 'heads' },
    { group: 'keys outside', title: 'ms' },
    { group: 'a workgroup a head', title: 'ms' },
    { group: 'a workgroup a query tile', title: 'ms' },
    { group: 'a workgroup a query tile', title: 'workgroups' },
    { group: 'a workgroup a query tile', title: 'vs keys outside' },
    { group: 'attn flash', title: 'ms' },
  ]
  const rows = results.map((result) => {
    const text = (partition: Partition): string => {
      const outcome = result.outcomes[partition]
      return outcome.status === 'measured' ? threeDigits(outcome.time.median) : outcome.reason
    }
    const { queryTiles } = result.outcomes
    const [before, after] = (['keysOutside', 'queryTiles'] as const).map((partition) =>
      partitionTime(result, partition),
    )
    return [
      formatLength(result.length),
      String(result.heads),
      text('keysOutside'),
      text('wholeHeads'),
      text('queryTiles'),
      queryTiles.status === 'measured' ? String(queryTiles.workgroups) : '',
      before && after ? `${threeDigits(before / after)}x` : '',
      text('library'),
    ]
  })
  const wrong = results.flatMap(({ outcomes }) =>
    Object.values(outcomes).filter(
      (outcome) => outcome.status === 'measured' && !outcome.verification.passed,
    ),
  )
  return [
    `The same tiles in three partitions, float32, dim ${headDim}, on ${device.name}`,
    '',
    formatTable(columns, rows),
    '',
    wrong.length === 0
      ? 'every result compared with the CPU reference: ok'
      : `WRONG: ${wrong.length} results differ from the CPU reference`,
  ].join('\n')
}
