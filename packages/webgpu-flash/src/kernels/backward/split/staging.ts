// How halves of visited rows reach the matrices: they lie in workgroup memory, a tile or two in turn, the next one on
// its way in registers.
import { unroll } from '../../../codegen/snippets.ts'
import { splitThreads } from '../../../plan/backward/split-matrix-tile.ts'
import { eachUnit } from '../../tile/source.ts'
import type { VisitedStaging } from '../matrix/rows-on-their-way.ts'
import { visitedStatistics } from '../visited-statistics.ts'
import type { SplitTensor } from './powers.ts'
import { castSplitRoles } from './roles.ts'
import type { SplitMatrixConfig } from './roles.ts'
import { tokenText } from '../slots.ts'

/** Registers on their way from rows of halves to workgroup memory. */
export interface MovedRows {
  /** Declares them. */
  readonly registers: string
  /** Loads as many rows as a tile visits into them, from the slot `first` on. */
  fetch(first: string): string
  /** Moves them to a place in workgroup memory. */
  store(place: string): string
}

/** How rows of a tensor get to where those of visited tensor `number` lie. */
export function movedRows(
  config: SplitMatrixConfig,
  number: 0 | 1,
  name: SplitTensor,
  tokens: 'queries' | 'keys',
  last: string,
): MovedRows {
  const { tile, memory, headDim } = config
  const threads = splitThreads(tile)
  // As they lie in the row: pieces, of each the high halves and the low ones; in vectors of 4 or of 8.
  const wide = tile.wideLoads
  const inRow = headDim / (wide ? 4 : 2)
  const inPiece = inRow / memory.pieces
  const units = tile.columns * inRow
  const each = (line: (register: string, unit: string) => string): string =>
    eachUnit(units, threads, (slot, unit) => line(`${name}Next${slot}`, unit))
  const place = (unit: string): string => {
    const row = `${unit} / ${inRow}u * ${memory.visitedStride}u`
    const vector = `${unit} % ${inPiece}u${wide ? ' * 2u' : ''}`
    const piece = memory.pieces === 1 ? '0' : `${unit} / ${inPiece}u % 2u`
    return `[${number}][${piece}][${row} + ${vector}`
  }
  const type = wide ? 'vec4<u32>' : 'vec4<f16>'
  return {
    registers: unroll(Math.ceil(units / threads), (slot) => `var ${name}Next${slot} = ${type}();`),
    fetch: (first) =>
      each((register, unit) => {
        const slot = `${first} + ${unit} / ${inRow}u`
        const row = `min(${tokenText(config.rules, tokens, slot)}, ${last})`
        const base = `${name}Base + ${row} * params.${name}Row`
        return `${register} = ${name}[${wide ? `((${base}) >> 1u)` : base} + ${unit} % ${inRow}u];`
      }),
    store: (at) =>
      each((register, unit) => {
        const to = `visitedRows[${at}]${place(unit)}`
        if (!wide) return `${to}] = ${register};`
        // Neighbouring lanes begin with the other half, so that they meet other banks.
        return `${to} + swapped] = bitcast<vec4<f16>>(select(${register}.xy, ${register}.zw, swapped == 1u));
${to} + 1u - swapped] = bitcast<vec4<f16>>(select(${register}.zw, ${register}.xy, swapped == 1u));`
      }),
  }
}

function visitedTensor(config: SplitMatrixConfig, number: 0 | 1): VisitedStaging {
  const { roles, visitedRow } = castSplitRoles(config)
  const tokens = config.rowTokens === 'keys' ? 'queries' : 'keys'
  const moved = movedRows(config, number, roles[number].visited, tokens, visitedRow.last)
  return { ...moved, fetch: (from) => moved.fetch(`${from} * tileColumns`) }
}

/** Text of the moves. */
export function visitedRows(config: SplitMatrixConfig): VisitedStaging {
  const parts = [
    visitedTensor(config, 0),
    visitedTensor(config, 1),
    ...(config.rowTokens === 'keys' ? [visitedStatistics(config.tile.columns, true)] : []),
  ]
  const joined = (text: (part: VisitedStaging) => string): string => parts.map(text).join('\n')
  return {
    registers: joined(({ registers }) => registers),
    fetch: (tile) => joined((part) => part.fetch(tile)),
    store: (place) => joined((part) => part.store(place)),
  }
}
