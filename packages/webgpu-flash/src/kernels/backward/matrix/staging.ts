// How rows reach the matrices: the subgroup's own stay in matrices of its own, those of the visited
// tokens lie in workgroup memory, two tiles of them in turn: while one is worked on the next is stored,
// and the one after it is on its way in registers.
import type { Access } from '../../../codegen/access.ts'
import { capitalized, unroll } from '../../../codegen/snippets.ts'
import { matrixThreads, subgroupRows } from '../../../plan/backward/gradient-matrix-tile.ts'
import { eachUnit } from '../../tile/source.ts'
import { visitedStatistics } from '../visited-statistics.ts'
import { castRoles, ownInVisited } from './roles.ts'
import type { GradientMatrixConfig, Operand } from './roles.ts'
import { tokenText } from '../slots.ts'
import type { SentRows, VisitedStaging } from './rows-on-their-way.ts'

/** Text of one vector of a row as float16; what is stored as such is not converted. */
function loadHalves({ name, access }: Operand, row: string, vector: string): string {
  const place = `${name}Base + ${row} * params.${name}Row`
  return isHalves(access)
    ? `${name}[${place} + ${vector}]`
    : `vec4<f16>(load${capitalized(name)}(${place}, ${vector}))`
}

const isHalves = (access: Access): boolean => access.vector && access.nativeFloat16

/** Memory that own rows cross, with room for so many dims, in whole matrices. */
function ownMemory(config: GradientMatrixConfig) {
  const { memory, headDim, valueDim, tile } = config
  if (ownInVisited(config)) {
    const { headStride } = memory
    return {
      rows: 'visitedRows[subgroup]',
      vectors: headStride,
      stride: `${headStride}u`,
      width: Math.max(headDim, valueDim),
    }
  }
  const { depth } = tile.matrix
  const room = 4 * (memory.weightStride - 2)
  return {
    rows: 'weights[subgroup]',
    vectors: memory.weightStride,
    stride: 'weightStride',
    width: Math.floor(room / depth) * depth,
  }
}

/**
 * Brings the subgroup's own rows to matrices `{name}{block}_{k}`, by way of the memory of visited rows, or of weights. All
 * loads set off before the first is waited for: one after the other, they would cost as much as several tiles of visited rows.
 */
export function stageOwnRows(config: GradientMatrixConfig): SentRows {
  const { tile } = config
  const { rows, depth } = tile.matrix
  const { own, ownRow } = castRoles(config)
  const { width, ...memory } = ownMemory(config)
  const pass = (operand: Operand, first: number): SentRows => {
    const dims = Math.min(width, operand.dims - first)
    const vectors = dims / 4
    const held = (slot: number): string => `${operand.name}Own${first / width}_${slot}`
    const units = subgroupRows(tile) * vectors
    const each = (line: (slot: number, unit: string) => string): string =>
      eachUnit(units, tile.subgroupSize, line, 'lane')
    const load = (unit: string): string => {
      const vector = `${first === 0 ? '' : `${first / 4}u + `}${unit} % ${vectors}u`
      const slot = `${ownRow.first} + ${unit} / ${vectors}u`
      const row = `min(${tokenText(config.rules, config.rowTokens, slot)}, ${ownRow.last})`
      return loadHalves(operand, row, vector)
    }
    const slots = Math.ceil(units / tile.subgroupSize)
    return {
      loads: `${unroll(slots, (slot) => `var ${held(slot)} = vec4<f16>();`)}
${each((slot, unit) => `${held(slot)} = ${load(unit)};`)}`,
      moves: `workgroupBarrier();
${each((slot, unit) => `${memory.rows}[${unit} / ${vectors}u * ${memory.stride} + ${unit} % ${vectors}u] = ${held(slot)};`)}
workgroupBarrier();
${unroll(tile.rowBlocks, (b) =>
  unroll(dims / depth, (k) => {
    const from = b * rows * memory.vectors + (k * depth) / 4
    return `let ${operand.name}${b}_${first / depth + k} = subgroupMatrixLoad<Left, row_major>(&${memory.rows}, ${from}u, ${memory.stride});`
  }),
)}`,
    }
  }
  const passes = own.flatMap((operand) =>
    Array.from({ length: Math.ceil(operand.dims / width) }, (_, n) => pass(operand, n * width)),
  )
  return {
    loads: passes.map(({ loads }) => loads).join('\n'),
    moves: passes.map(({ moves }) => moves).join('\n'),
  }
}

function stagedOperand(config: GradientMatrixConfig, operand: Operand): VisitedStaging {
  const { tile } = config
  const { name, dims, stride } = operand
  const { visitedRow } = castRoles(config)
  const visitedTokens = config.rowTokens === 'keys' ? 'queries' : 'keys'
  const threads = matrixThreads(tile)
  const vectors = dims / 4
  const units = tile.columns * vectors
  const each = (line: (register: string, unit: string) => string): string =>
    eachUnit(units, threads, (slot, unit) => line(`${name}Next${slot}`, unit))
  const registers = Array.from(
    { length: Math.ceil(units / threads) },
    (_, slot) => `${name}Next${slot}`,
  )
  return {
    registers: registers.map((register) => `var ${register} = vec4<f16>();`).join('\n'),
    fetch: (from) =>
      each((register, unit) => {
        const slot = `${from} * tileColumns + ${unit} / ${vectors}u`
        const row = `min(${tokenText(config.rules, visitedTokens, slot)}, ${visitedRow.last})`
        return `${register} = ${loadHalves(operand, row, `${unit} % ${vectors}u`)};`
      }),
    store: (place) =>
      each(
        (register, unit) =>
          `${operand.rows(place)}[${unit} / ${vectors}u * ${stride}u + ${unit} % ${vectors}u] = ${register};`,
      ),
  }
}

/** Text of the moves. */
export function visitedStaging(config: GradientMatrixConfig): VisitedStaging {
  const { visited } = castRoles(config)
  const parts = [
    ...visited.map((operand) => stagedOperand(config, operand)),
    ...(config.rowTokens === 'keys' ? [visitedStatistics(config.tile.columns, false)] : []),
  ]
  const joined = (text: (part: VisitedStaging) => string): string => parts.map(text).join('\n')
  return {
    registers: joined(({ registers }) => registers),
    fetch: (tile) => joined((part) => part.fetch(tile)),
    store: (place) => joined((part) => part.store(place)),
  }
}
