// How halves reach the matrices: own rows stay in matrices, high and low, visited ones lie in workgroup
// memory, a tile or two in turn, the next one on its way in registers.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { splitThreads } from '../../../plan/backward/split-matrix-tile.ts'
import { eachUnit } from '../../tile/source.ts'
import { visitedStatistics } from '../visited-statistics.ts'
import { castSplitRoles, halvesText } from './roles.ts'
import type { SplitMatrixConfig } from './roles.ts'
import { tokenText } from '../slots.ts'

/**
 * Brings own rows to matrices `ownHigh{block}_{k}` and `ownLow{block}_{k}`, by way of the weights' memory:
 * those of the pair's two subgroups side by side. All loads set off before the first is waited for: one after the
 * other, they would cost as much as several tiles of visited rows.
 */
export function stageOwnRows(config: SplitMatrixConfig): string {
  const { tile, memory, headDim } = config
  const { matrix, rowBlocks, subgroupSize } = tile
  const { rows, depth } = matrix
  const { roles, ownRow } = castSplitRoles(config)
  const vectors = depth / 4
  const units = rowBlocks * rows * vectors
  const slots = Math.ceil(units / subgroupSize)
  const each = (line: (slot: number, unit: string) => string): string =>
    eachUnit(units, subgroupSize, line, 'subgroupLane')
  const passes = Array.from({ length: headDim / depth }, (_, k) =>
    [false, true].map((low) => ({ k, low, name: `own${low ? 'Low' : 'High'}` })),
  ).flat()
  const load = (role: 0 | 1): string =>
    passes
      .map(({ k, low, name }) =>
        each((slot, unit) => {
          const token = tokenText(
            config.rules,
            config.rowTokens,
            `${ownRow.first} + ${unit} / ${vectors}u`,
          )
          const vector = `(${(k * depth) / 4}u + ${unit} % ${vectors}u)`
          const row = `min(${token}, ${ownRow.last})`
          return `${name}Rows${k}_${slot} = ${halvesText(config, roles[role].own, row, vector, low)};`
        }),
      )
      .join('\n')
  const moves = passes.map(
    ({ k, name }) => `workgroupBarrier();
${each((slot, unit) => `weights[pair][0][${unit} / ${vectors}u * weightStride + partner * ${vectors}u + ${unit} % ${vectors}u] = ${name}Rows${k}_${slot};`)}
workgroupBarrier();
${unroll(rowBlocks, (b) => `let ${name}${b}_${k} = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], ${b * rows * memory.weightStride}u + partner * ${vectors}u, weightStride);`)}`,
  )
  return `${passes.map(({ k, name }) => unroll(slots, (slot) => `var ${name}Rows${k}_${slot} = vec4<f16>();`)).join('\n')}
if (partner == 0u) {
${indent(load(0), 2)}
} else {
${indent(load(1), 2)}
}
${moves.join('\n')}`
}

/** The texts that move visited rows. */
export interface VisitedRows {
  /** Declares the registers they pass through. */
  readonly registers: string
  /** Loads those of a tile into the registers. */
  fetch(tile: string): string
  /** Moves the registers to a place in workgroup memory. */
  store(place: string): string
}

function visitedTensor(config: SplitMatrixConfig, number: 0 | 1): VisitedRows {
  const { tile, memory, headDim } = config
  const { roles, visitedRow } = castSplitRoles(config)
  const name = roles[number].visited
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
    fetch: (from) =>
      each((register, unit) => {
        const slot = `${from} * tileColumns + ${unit} / ${inRow}u`
        const row = `min(${tokenText(config.rules, config.rowTokens === 'keys' ? 'queries' : 'keys', slot)}, ${visitedRow.last})`
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

/** Text of the moves. */
export function visitedRows(config: SplitMatrixConfig): VisitedRows {
  const parts = [
    visitedTensor(config, 0),
    visitedTensor(config, 1),
    ...(config.rowTokens === 'keys' ? [visitedStatistics(config.tile.columns, true)] : []),
  ]
  const joined = (text: (part: VisitedRows) => string): string => parts.map(text).join('\n')
  return {
    registers: joined(({ registers }) => registers),
    fetch: (tile) => joined((part) => part.fetch(tile)),
    store: (place) => joined((part) => part.store(place)),
  }
}
