// How queries, keys and values reach the matrices: rows of operands in workgroup memory. Keys and values
// of the next tile are loaded into registers while the present tile is worked on.
import type { Access } from '../../../codegen/access.ts'
import { capitalized, indent, unroll } from '../../../codegen/snippets.ts'
import { eachUnit } from '../../tile/source.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { changesScores } from './lane-scores.ts'
import { cleanValues } from './strange-values.ts'
import { keyTokenAt, querySlot, queryTokenAt } from './tokens.ts'

/** The texts that move operands. */
export interface MatrixStaging {
  /** Declares what stores of wide rows ask for; before all others. */
  readonly declarations: string
  /** Brings the subgroup's query rows to where products take them from. */
  readonly queries: string
  /** Brings the keys of a tile to workgroup memory at once. */
  keys(tileIndex: string): string
  /** Declares the registers of keys and values on their way. */
  readonly registers: string
  /** Before a loop: the first keys are in workgroup memory after it, the next on their way. */
  readonly begin: string
  /**
   * Between the two products: the values of this tile and the keys of the next move in, and those after
   * them set off. They do so inside of conditions, where drivers leave them: loads that they move to
   * where they are used are waited for.
   */
  readonly next: string
}

/** Text of one vector of a row as an operand; what is stored as such is not converted. */
function loadOperands(
  { tile }: ForwardMatrixConfig,
  name: string,
  access: Access,
  row: string,
  vector: string,
): string {
  const loaded = `load${capitalized(name)}(${row}, ${vector})`
  if (tile.operands === 'f32') return loaded
  if (access.vector && access.nativeFloat16) return `${name}[${row} + ${vector}]`
  return `vec4<f16>(${loaded})`
}

/** Rows of one tensor on their way to workgroup memory. */
interface Rows {
  /** Declares the registers they pass through. */
  readonly registers: string
  /** Loads those of a tile into the registers; rows past the last key repeat it. */
  fetch(tileIndex: string): string
  /** Moves the registers to workgroup memory. */
  readonly store: string
  /** The names of the registers. */
  readonly names: readonly string[]
}

function stagedRows(config: ForwardMatrixConfig, name: 'key' | 'value'): Rows {
  const { tile, memory } = config
  const { wide } = config[name]
  const dims = name === 'key' ? config.headDim : config.valueDim
  const stride = name === 'key' ? memory.keyStride : memory.valueStride
  const threads = tile.subgroups * tile.subgroupSize
  const inRow = dims / (wide ? 8 : 4)
  const units = tile.keys * inRow
  const slots = Math.ceil(units / threads)
  const each = (line: (register: string, unit: string) => string): string =>
    eachUnit(units, threads, (slot, unit) => line(`${name}Next${slot}`, unit))
  const registers = Array.from({ length: slots }, (_, slot) => `${name}Next${slot}`)
  const load = (row: string, unit: string): string =>
    wide
      ? `${name}[(${row}) / 2u + ${unit} % ${inRow}u]`
      : loadOperands(config, name, config[name], row, `${unit} % ${inRow}u`)
  const store = (register: string, unit: string): string => {
    const place = `${unit} / ${inRow}u * ${stride}u + ${unit} % ${inRow}u`
    if (!wide) return `${name}Rows[${place}] = ${register};`
    // Every other eight lanes store their second half first, so that sixteen meet every bank once.
    return `{
  let place = ${place} + ${unit} % ${inRow}u;
  ${name}Rows[place + swap] = bitcast<vec4<f16>>(select(${register}.xy, ${register}.zw, swap == 1u));
  ${name}Rows[place + 1u - swap] = bitcast<vec4<f16>>(select(${register}.zw, ${register}.xy, swap == 1u));
}`
  }
  const type = wide ? 'vec4<u32>' : `vec4<${tile.operands}>`
  return {
    registers: registers.map((register) => `var ${register} = ${type}();`).join('\n'),
    fetch: (tileIndex) =>
      each((register, unit) => {
        const row = keyTokenAt(config, `${tileIndex} * tileKeys + ${unit} / ${inRow}u`)
        const inside = config.wholeTiles ? `(${row})` : `min(${row}, lastKey)`
        return `${register} = ${load(`${name}Base + ${inside} * params.${name}Row`, unit)};`
      }),
    store: each(store),
    names: registers,
  }
}

/** Text of the moves. */
export function matrixStaging(config: ForwardMatrixConfig): MatrixStaging {
  const keys = stagedRows(config, 'key')
  const values = stagedRows(config, 'value')
  const where = (condition: string, text: string): string =>
    `if (${condition}) {\n${indent(text, 2)}\n}`
  const clean = cleanValues(config, values.names)
  // Masks and padding hide nothing in full tiles; modifiers may.
  const anywhere = changesScores(config.rules)
  const cleans =
    config.finite || (config.wholeTiles && !anywhere)
      ? ''
      : anywhere
        ? clean
        : where('!full', clean)
  return {
    declarations: config.key.wide || config.value.wide ? 'let swap = (lane >> 3u) & 1u;\n' : '',
    queries: stageQueries(config),
    registers: `${keys.registers}\n${values.registers}`,
    keys: (tileIndex) => `${keys.fetch(tileIndex)}\n${keys.store}`,
    begin: `${where('visits', `${keys.fetch('keyTile')}\n${keys.store}\n${values.fetch('keyTile')}`)}
${where('visitsNext', keys.fetch('nextTile'))}
workgroupBarrier();`,
    next: `${cleans}${cleans === '' ? '' : '\n'}${values.store}
${keys.store}
${where('visitsNext', values.fetch('nextTile'))}
${where('visitsLater', keys.fetch('laterTile'))}`,
  }
}

/**
 * Query rows stay in matrices. They come through the memory of the probabilities, in its width; all of them are on
 * their way before the first is waited for.
 */
function stageQueries(config: ForwardMatrixConfig): string {
  const { tile, memory, query, headDim } = config
  const { keys, rowBlocks, subgroupSize } = tile
  const { rows, depth } = tile.matrix
  const own = rowBlocks * rows
  const portions = Array.from({ length: Math.ceil(headDim / keys) }, (_, portion) => {
    const dims = Math.min(keys, headDim - portion * keys)
    const vectors = dims / 4
    const each = (line: (register: string, unit: string) => string): string =>
      eachUnit(
        own * vectors,
        subgroupSize,
        (slot, unit) => line(`query${portion}Next${slot}`, unit),
        'lane',
      )
    const declare = unroll(
      Math.ceil((own * vectors) / subgroupSize),
      (slot) => `var query${portion}Next${slot} = vec4<${tile.operands}>();`,
    )
    const fetch = each((register, unit) => {
      const row = `min(${queryTokenAt(config, querySlot(config, `${unit} / ${vectors}u`))}, lastQuery)`
      const vector = `${portion === 0 ? '' : `${(portion * keys) / 4}u + `}${unit} % ${vectors}u`
      return `${register} = ${loadOperands(config, 'query', query, `queryBase + ${row} * params.queryRow`, vector)};`
    })
    const store = each(
      (register, unit) =>
        `probabilities[subgroup][${unit} / ${vectors}u * probabilityStride + ${unit} % ${vectors}u] = ${register};`,
    )
    const take = unroll(rowBlocks, (b) =>
      unroll(dims / depth, (k) => {
        const from = b * rows * memory.probabilityStride + (k * depth) / 4
        return `let query${b}_${(portion * keys) / depth + k} = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], ${from}u, probabilityStride);`
      }),
    )
    return {
      load: `${declare}\n${fetch}`,
      move: `workgroupBarrier();\n${store}\nworkgroupBarrier();\n${take}`,
    }
  })
  return [...portions.map(({ load }) => load), ...portions.map(({ move }) => move)].join('\n')
}
