// The halves of a workgroup's query rows, which reach the matrices that hold them by way of the memory of key rows.
import { unroll } from '../../../codegen/snippets.ts'
import { bringInTurns } from '../../tile/rows-in-turns.ts'
import { eachUnit } from '../../tile/source.ts'
import type { ForwardMatrixConfig } from '../matrix/config.ts'
import { queryTokenAt } from '../matrix/tokens.ts'
import { splitRowVectors } from './halves.ts'

/** Whether no matrix of queries comes in two turns. */
export function takesQueriesWhole({ keys, matrix }: ForwardMatrixConfig['tile']): boolean {
  return keys % matrix.rows === 0
}

/** Brings query rows to the matrices `query{block}_{k}`, first halves and then second ones. */
export function stageOwnQueries(config: ForwardMatrixConfig): string {
  const { tile, memory, headDim } = config
  const { keys, queries, rowBlocks, matrix } = tile
  const inRow = splitRowVectors(headDim)
  const threads = tile.subgroups * tile.subgroupSize
  const units = keys * inRow
  const each = (line: (register: string, unit: string) => string): string =>
    eachUnit(units, threads, (slot, unit) => line(`queryNext${slot}`, unit))
  return bringInTurns({
    owner: 'subgroup',
    rowBlocks,
    matrix,
    matrices: Array.from({ length: (4 * inRow) / matrix.depth }, (_, k) => ({
      name: (block: number) => `query${block}_${k}`,
      array: 'keyRows',
      vector: (k * matrix.depth) / 4,
    })),
    rows: queries,
    atOnce: keys,
    stride: memory.keyStride,
    registers: unroll(
      Math.ceil(units / threads),
      (slot) => `var queryNext${slot} = vec4<${tile.operands}>();`,
    ),
    fetch: (first) =>
      each((register, unit) => {
        const token = queryTokenAt(config, `firstQuery + ${first} + ${unit} / ${inRow}u`)
        return `${register} = query[queryBase + min(${token}, lastQuery) * params.queryRow + ${unit} % ${inRow}u];`
      }),
    store: each(
      (register, unit) =>
        `keyRows[${unit} / ${inRow}u * ${memory.keyStride}u + ${unit} % ${inRow}u] = ${register};`,
    ),
  })
}
