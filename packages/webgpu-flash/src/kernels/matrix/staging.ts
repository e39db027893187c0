// How queries, keys and values reach the matrices: float16 rows in workgroup memory. Keys and values
// of the next tile are loaded into registers while the present tile is worked on.
import type { Access } from '../../codegen/access.ts'
import { indent, unroll } from '../../codegen/snippets.ts'
import { eachUnit } from '../tile/source.ts'
import type { ForwardMatrixConfig } from '../forward-matrix.wgsl.ts'

/** The texts that move operands. */
export interface MatrixStaging {
  /** Brings the subgroup's query rows to where products take them from. */
  readonly queries: string
  /** Before the loop: the first keys are in workgroup memory after it, the next on their way. */
  readonly begin: string
  /** Between the two products: the values of this tile and the keys of the next move in. */
  readonly store: string
  /** After the softmax: the values of the next tile set off, and the keys of the one after it. */
  readonly fetch: string
}

/** Text of one vector of a row as float16; what is stored as such is not converted. */
function loadHalves(name: string, access: Access, row: string, vector: string): string {
  if (access.vector && access.nativeFloat16) return `${name}[${row} + ${vector}]`
  return `vec4<f16>(load${name[0]!.toUpperCase()}${name.slice(1)}(${row}, ${vector}))`
}

/** Rows of one tensor on their way to workgroup memory. */
interface Rows {
  /** Declares the registers they pass through. */
  readonly registers: string
  /** Loads those of a tile into the registers. */
  fetch(tileIndex: string): string
  /** Moves the registers to workgroup memory. */
  readonly store: string
}

function stagedRows(
  { tile }: ForwardMatrixConfig,
  name: 'key' | 'value',
  access: Access,
  dims: number,
  stride: number,
): Rows {
  const threads = tile.subgroups * tile.subgroupSize
  const vectors = dims / 4
  const units = tile.keys * vectors
  const slots = Math.ceil(units / threads)
  const each = (line: (register: string, unit: string) => string): string =>
    eachUnit(units, threads, (slot, unit) => line(`${name}Next${slot}`, unit))
  return {
    registers: unroll(slots, (slot) => `var ${name}Next${slot} = vec4<f16>();`),
    fetch: (tileIndex) =>
      each((register, unit) => {
        const row = `min(${tileIndex} * tileKeys + ${unit} / ${vectors}u, lastKey)`
        const place = `${name}Base + ${row} * params.${name}Row`
        return `${register} = ${loadHalves(name, access, place, `${unit} % ${vectors}u`)};`
      }),
    store: each(
      (register, unit) =>
        `${name}Rows[${unit} / ${vectors}u * ${stride}u + ${unit} % ${vectors}u] = ${register};`,
    ),
  }
}

/** Text of the moves. */
export function matrixStaging(config: ForwardMatrixConfig): MatrixStaging {
  const { memory, key, value, headDim, valueDim } = config
  const keys = stagedRows(config, 'key', key, headDim, memory.keyStride)
  const values = stagedRows(config, 'value', value, valueDim, memory.valueStride)
  const where = (condition: string, text: string): string =>
    `if (${condition}) {\n${indent(text, 2)}\n}`
  return {
    queries: stageQueries(config),
    begin: `${keys.registers}
${values.registers}
${where('visits', `${keys.fetch('keyTile')}\n${keys.store}\n${values.fetch('keyTile')}`)}
${where('visitsNext', keys.fetch('nextTile'))}
workgroupBarrier();`,
    store: `${values.store}\n${keys.store}`,
    fetch: `${where('visitsNext', values.fetch('nextTile'))}
${where('visitsLater', keys.fetch('laterTile'))}`,
  }
}

/** Query rows stay in matrices. They come through the memory of the probabilities, in its width. */
function stageQueries({ tile, memory, query, headDim }: ForwardMatrixConfig): string {
  const { keys, rowBlocks, subgroupSize } = tile
  const { rows, depth } = tile.matrix
  const own = rowBlocks * rows
  return unroll(Math.ceil(headDim / keys), (pass) => {
    const dims = Math.min(keys, headDim - pass * keys)
    const vectors = dims / 4
    const vector = `${pass === 0 ? '' : `${(pass * keys) / 4}u + `}unit % ${vectors}u`
    return `workgroupBarrier();
for (var unit = lane; unit < ${own * vectors}u; unit += ${subgroupSize}u) {
  let queryRow = min(firstQuery + subgroup * ${own}u + unit / ${vectors}u, lastQuery);
  probabilities[subgroup][unit / ${vectors}u * probabilityStride + unit % ${vectors}u] = ${loadHalves('query', query, 'queryBase + queryRow * params.queryRow', vector)};
}
workgroupBarrier();
${unroll(rowBlocks, (b) =>
  unroll(dims / depth, (k) => {
    const from = b * rows * memory.probabilityStride + (k * depth) / 4
    return `let query${b}_${(pass * keys) / depth + k} = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], ${from}u, probabilityStride);`
  }),
)}`
  })
}
