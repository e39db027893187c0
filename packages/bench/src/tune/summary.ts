// What tuning found, as a table: the planner's choice and the fastest for each kind of calls.
import type { ForwardKernelTile, TunedKernel, TuningRecord } from '@attn/webgpu-flash'
import { formatLength, threeDigits } from '../report/format.ts'
import { formatTable } from '../report/table.ts'
import type { Column } from '../report/table.ts'

type AnyTile = ForwardKernelTile | TuningGradientTile
type TuningGradientTile = NonNullable<TuningRecord['entries'][number]['backward']>['query']['best']

/**
 * A tile in a word: rows, columns, threads and chunks; P where probabilities come in chunks. On subgroup matrices
 * subgroups, rows of each and keys.
 */
export function nameTile(tile: AnyTile): string {
  if (typeof tile === 'string') return tile
  if ('subgroups' in tile) return `matrices ${tile.subgroups}x${tile.ownRows}x${tile.keys}`
  const [rows, columns] = 'rows' in tile ? [tile.rows, tile.columns] : [tile.queries, tile.keys]
  const chunk = 'rows' in tile ? tile.sourceChunk : tile.valueChunk
  return `${rows}x${columns} by ${tile.threadRows}x${tile.threadColumns} in ${tile.dimChunk}, ${chunk}${'probabilitiesInChunks' in tile ? ' P' : ''}`
}

const columns: readonly Column[] = [
  { group: '', title: 'dtype' },
  { group: '', title: 'dim' },
  { group: '', title: 'queries' },
  { group: '', title: 'mask' },
  { group: '', title: 'kernel' },
  { group: "the planner's choice", title: 'tile' },
  { group: "the planner's choice", title: 'ms' },
  { group: 'the fastest', title: 'tile' },
  { group: 'the fastest', title: 'ms' },
  { group: 'the fastest', title: 'gain' },
  { group: 'candidates', title: 'measured' },
  { group: 'candidates', title: 'skipped' },
]

function cells(name: string, kernel: TunedKernel<AnyTile>): string[] {
  const { best, speedUp, measured, skipped } = kernel
  const [own] = measured
  const fastest = measured.find(({ tile }) => nameTile(tile) === nameTile(best))
  return [
    name,
    own ? nameTile(own.tile) : '',
    own ? threeDigits(own.milliseconds) : '',
    speedUp > 1 ? nameTile(best) : 'the same',
    fastest ? threeDigits(fastest.milliseconds) : '',
    `${speedUp.toFixed(2)}x`,
    String(measured.length),
    String(skipped.length),
  ]
}

/** The table, and a line for each candidate that did not run. */
export function formatTuning({ entries, clock }: TuningRecord): string {
  const rows: string[][] = []
  const left: string[] = []
  for (const entry of entries) {
    const { dtype, headDim, call, forward, backward } = entry
    const kernels: [string, TunedKernel<AnyTile>][] = [
      ['forward', forward],
      ...(backward
        ? ([
            ['dQ', backward.query],
            ['dK, dV', backward.key],
          ] as [string, TunedKernel<AnyTile>][])
        : []),
    ]
    for (const [name, kernel] of kernels) {
      const queries = formatLength(call.queryLength)
      const mask = call.mask ?? 'none'
      rows.push([dtype, String(headDim), queries, mask, ...cells(name, kernel)])
      for (const { tile, reason } of kernel.skipped) {
        left.push(
          `skipped ${nameTile(tile)} (${dtype}, dim ${headDim}, ${queries} queries): ${reason}`,
        )
      }
    }
  }
  const source = clock === 'gpu-timestamps' ? 'GPU timestamp queries' : 'the wall clock'
  return [
    formatTable(columns, rows),
    '',
    `times are medians after warm-up, candidates in turns, by ${source}`,
    ...left,
  ].join('\n')
}
