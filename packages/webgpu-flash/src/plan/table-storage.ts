// Where gradients of trainable tables lie while they are summed: one buffer with the gradient of each
// table whose pairs add to entries of their own, and the workgroups' sums of every other look-up.
import { elementCount } from '@attn/core'
import type { AttentionShape, Table } from '@attn/core'
import { tableSumShape } from '../kernels/tile/table-sums.ts'
import type { TableSum } from '../kernels/tile/table-sums.ts'
import { sharesEntries } from './table-lookups.ts'
import type { TableLookup } from './table-lookups.ts'

/** The account of that buffer, counted in float32. */
export interface TableStorage {
  readonly lookups: readonly TableLookup[]
  /** What the dQ kernel is generated from. */
  readonly sums: readonly TableSum[]
  /** Where each look-up's numbers begin. */
  readonly bases: readonly number[]
  /** Where the gradient of a table with direct look-ups begins. */
  readonly directBases: ReadonlyMap<Table, number>
  readonly length: number
  /** Threads of the dQ kernel's workgroups, which share entries. */
  readonly threads: number
  /** Whether heads and sequences must be dispatched one after the other. */
  readonly separatePlanes: boolean
}

/** Lays the buffer out. */
export function tableStorage(
  shape: AttentionShape,
  lookups: readonly TableLookup[],
  { threads, rowTiles }: { readonly threads: number; readonly rowTiles: number },
): TableStorage {
  const directBases = new Map<Table, number>()
  const bases: number[] = []
  let length = 0
  for (const { table, direct, ownEntries } of lookups) {
    bases.push(length)
    if (direct) {
      directBases.set(table, length)
      length += elementCount(table.shape)
    } else {
      const { sharers } = tableSumShape(ownEntries, threads)
      length += shape.batch * shape.heads * rowTiles * sharers * ownEntries
    }
  }
  return {
    lookups,
    sums: lookups.map(({ direct, ownEntries }) => ({ direct, entries: ownEntries })),
    bases,
    directBases,
    length,
    threads,
    separatePlanes: lookups.some((lookup) => lookup.direct && sharesEntries(shape, lookup)),
  }
}
