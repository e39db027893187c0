// How the halves of a workgroup's query rows reach the matrices that hold them: by way of the memory of key rows, as many
// rows at a time as a tile has keys. Each subgroup could bring its own, but the texts of so many loads are long to compile.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { rolledLoop } from '../../rolled-loops.ts'
import { eachUnit } from '../../tile/source.ts'
import type { ForwardMatrixConfig } from '../matrix/config.ts'
import { queryTokenAt } from '../matrix/tokens.ts'
import { splitRowVectors } from './halves.ts'

/** Whether no matrix of queries lies in two of the portions. */
export function takesQueriesWhole({ keys, matrix }: ForwardMatrixConfig['tile']): boolean {
  return keys % matrix.rows === 0
}

/** Brings query rows to the matrices `query{block}_{k}`, first halves and then second ones. */
export function stageOwnQueries(config: ForwardMatrixConfig): string {
  const { tile, memory, headDim } = config
  const { rows, depth } = tile.matrix
  const own = tile.rowBlocks * rows
  const inRow = splitRowVectors(headDim)
  const threads = tile.subgroups * tile.subgroupSize
  const units = tile.keys * inRow
  const each = (line: (register: string, unit: string) => string): string =>
    eachUnit(units, threads, (slot, unit) => line(`queryNext${slot}`, unit))
  const fetch = (first: string): string =>
    each((register, unit) => {
      const token = queryTokenAt(config, `${first} + ${unit} / ${inRow}u`)
      return `${register} = query[queryBase + min(${token}, lastQuery) * params.queryRow + ${unit} % ${inRow}u];`
    })
  const store = each(
    (register, unit) =>
      `keyRows[${unit} / ${inRow}u * ${memory.keyStride}u + ${unit} % ${inRow}u] = ${register};`,
  )
  const matrices = Array.from({ length: (4 * inRow) / depth }, (_, k) => k)
  const take = unroll(tile.rowBlocks, (b) => {
    const first = `subgroup * ${own}u + ${b * rows}u`
    const loads = matrices.map(
      (k) =>
        `  query${b}_${k} = subgroupMatrixLoad<Left, row_major>(&keyRows, queryPlace + ${(k * depth) / 4}u, ${memory.keyStride}u);`,
    )
    return `if ((${first}) / tileKeys == round) {
  let queryPlace = (${first}) % tileKeys * ${memory.keyStride}u;
${loads.join('\n')}
}`
  })
  const rounds = Math.ceil(tile.queries / tile.keys)
  const text = `${unroll(Math.ceil(units / threads), (slot) => `var queryNext${slot} = vec4<${tile.operands}>();`)}
${fetch('firstQuery')}
${rolledLoop(
  'round',
  rounds,
  `workgroupBarrier();
${store}
workgroupBarrier();
if (round < ${rounds - 1}u) {
${indent(fetch('firstQuery + (round + 1u) * tileKeys'), 2)}
}
${take}`,
)}`
  return `${unroll(tile.rowBlocks, (b) => matrices.map((k) => `var query${b}_${k} = Left();`).join('\n'))}
{
${indent(text, 2)}
}`
}
