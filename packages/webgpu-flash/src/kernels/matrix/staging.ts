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
  /** Brings the keys of a tile to workgroup memory at once. */
  keys(tileIndex: string): string
  /** Before the loop: the first keys are in workgroup memory after it, the next on their way. */
  readonly begin: string
  /**
   * Between the two products: the values of this tile and the keys of the next move in, and those after
   * them set off. They do so inside of conditions, where drivers leave them: loads that they move to
   * where they are used are waited for.
   */
  readonly next: string
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
  /** Condition that the registers hold something that is not finite. */
  readonly strange: string
}

function stagedRows(
  { tile, wholeTiles }: ForwardMatrixConfig,
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
  const registers = Array.from({ length: slots }, (_, slot) => `${name}Next${slot}`)
  return {
    registers: registers.map((register) => `var ${register} = vec4<f16>();`).join('\n'),
    fetch: (tileIndex) =>
      each((register, unit) => {
        const row = `${tileIndex} * tileKeys + ${unit} / ${vectors}u`
        const inside = wholeTiles ? `(${row})` : `min(${row}, lastKey)`
        const place = `${name}Base + ${inside} * params.${name}Row`
        return `${register} = ${loadHalves(name, access, place, `${unit} % ${vectors}u`)};`
      }),
    store: each(
      (register, unit) =>
        `${name}Rows[${unit} / ${vectors}u * ${stride}u + ${unit} % ${vectors}u] = ${register};`,
    ),
    strange: registers.map((register) => `anyStrange(${register})`).join(' || '),
  }
}

/** WGSL of `anyStrange(halves)`: whether one of them is NaN or an infinity, by its bits. */
export const strangeFunction = /* wgsl */ `fn anyStrange(halves: vec4<f16>) -> bool {
  let words = bitcast<vec2<u32>>(halves);
  let exponents = vec4<u32>(words, words >> vec2<u32>(16u)) & vec4<u32>(0x7c00u);
  return any(exponents == vec4<u32>(0x7c00u));
}`

/** Text of the moves. */
export function matrixStaging(config: ForwardMatrixConfig): MatrixStaging {
  const { memory, key, value, headDim, valueDim, wholeTiles } = config
  const keys = stagedRows(config, 'key', key, headDim, memory.keyStride)
  const values = stagedRows(config, 'value', value, valueDim, memory.valueStride)
  const where = (condition: string, text: string): string =>
    `if (${condition}) {\n${indent(text, 2)}\n}`
  return {
    queries: stageQueries(config),
    keys: (tileIndex) => `${keys.fetch(tileIndex)}\n${keys.store}`,
    begin: `${where('visits', `${keys.fetch('keyTile')}\n${keys.store}\n${values.fetch('keyTile')}`)}
${where('visitsNext', keys.fetch('nextTile'))}
workgroupBarrier();`,
    next: `${wholeTiles ? '' : `if (!full) { strange = strange || ${values.strange}; }\n`}${values.store}
${keys.store}
${where('visitsNext', values.fetch('nextTile'))}
${where('visitsLater', keys.fetch('laterTile'))}`,
  }
}

/** Declares the registers of keys and values on their way. */
export function stagingRegisters(config: ForwardMatrixConfig): string {
  const { memory, key, value, headDim, valueDim } = config
  return `${stagedRows(config, 'key', key, headDim, memory.keyStride).registers}
${stagedRows(config, 'value', value, valueDim, memory.valueStride).registers}`
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
