// How halves of own rows reach the matrices that hold them for as long as the workgroup runs.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { bringInTurns } from '../../tile/rows-in-turns.ts'
import { eachUnit } from '../../tile/source.ts'
import { highVector, lowStep, piecesOf } from './halve-rows.wgsl.ts'
import { castSplitRoles } from './roles.ts'
import type { SplitMatrixConfig } from './roles.ts'
import { movedRows } from './staging.ts'
import type { MovedRows } from './staging.ts'
import { tokenText } from '../slots.ts'
import type { SentRows } from '../matrix/rows-on-their-way.ts'

/** A matrix of own rows: its name, and the vector of a row of halves that it begins with. */
interface OwnMatrix {
  readonly name: string
  readonly k: number
  readonly vector: number
}

function ownMatrices(config: SplitMatrixConfig): OwnMatrix[] {
  const { tile, headDim } = config
  const { depth } = tile.matrix
  const pieces = piecesOf(castSplitRoles(config).roles[0].own)
  return Array.from({ length: headDim / depth }, (_, k) => {
    const vector = highVector(pieces, headDim, (k * depth) / 4)
    return [
      { name: 'ownHigh', k, vector },
      { name: 'ownLow', k, vector: vector + lowStep(pieces, headDim) },
    ]
  }).flat()
}

/** Brings own rows to matrices `ownHigh{block}_{k}` and `ownLow{block}_{k}`. */
export function stageOwnRows(config: SplitMatrixConfig): SentRows {
  return config.tile.wideLoads ? { loads: '', moves: inTurns(config) } : byPairs(config)
}

/**
 * By way of the weights' memory: those of the pair's two subgroups side by side. All loads set off before the first is
 * waited for: one after the other, they would cost as much as several tiles of visited rows.
 */
function byPairs(config: SplitMatrixConfig): SentRows {
  const { tile, memory } = config
  const { matrix, rowBlocks, subgroupSize } = tile
  const { rows, depth } = matrix
  const { roles, ownRow } = castSplitRoles(config)
  const vectors = depth / 4
  const units = rowBlocks * rows * vectors
  const slots = Math.ceil(units / subgroupSize)
  const each = (line: (slot: number, unit: string) => string): string =>
    eachUnit(units, subgroupSize, line, 'subgroupLane')
  const matrices = ownMatrices(config)
  const load = (role: 0 | 1): string => {
    const { own } = roles[role]
    return matrices
      .map(({ name, k, vector }) =>
        each((slot, unit) => {
          const place = `${ownRow.first} + ${unit} / ${vectors}u`
          const row = `min(${tokenText(config.rules, config.rowTokens, place)}, ${ownRow.last})`
          return `${name}Rows${k}_${slot} = ${own}[${own}Base + ${row} * params.${own}Row + ${vector}u + ${unit} % ${vectors}u];`
        }),
      )
      .join('\n')
  }
  const moves = matrices.map(
    ({ k, name }) => `workgroupBarrier();
${each((slot, unit) => `weights[pair][0][${unit} / ${vectors}u * weightStride + partner * ${vectors}u + ${unit} % ${vectors}u] = ${name}Rows${k}_${slot};`)}
workgroupBarrier();
${unroll(rowBlocks, (b) => `let ${name}${b}_${k} = subgroupMatrixLoad<Left, row_major>(&weights[pair][0], ${b * rows * memory.weightStride}u + partner * ${vectors}u, weightStride);`)}`,
  )
  return {
    loads: `${matrices.map(({ k, name }) => unroll(slots, (slot) => `var ${name}Rows${k}_${slot} = vec4<f16>();`)).join('\n')}
if (partner == 0u) {
${indent(load(0), 2)}
} else {
${indent(load(1), 2)}
}`,
    moves: moves.join('\n'),
  }
}

/**
 * By way of the memory of visited rows. On an NVIDIA H200 wide heads compile in 0.7 to 0.8 of the time so, and are as fast;
 * narrow ones gain nothing, and lose 2 %.
 */
function inTurns(config: SplitMatrixConfig): string {
  const { tile, memory, headDim, rowTokens } = config
  const { roles, ownRow } = castSplitRoles(config)
  const moved = ([0, 1] as const).map((number) =>
    movedRows(config, number, roles[number].own, rowTokens, ownRow.last),
  )
  const each = (text: (tensor: MovedRows) => string): string => moved.map(text).join('\n')
  const inPiece = headDim / 2 / memory.pieces
  return bringInTurns({
    owner: 'pair',
    rowBlocks: tile.rowBlocks,
    matrix: tile.matrix,
    matrices: ownMatrices(config).map(({ name, k, vector }) => ({
      name: (block) => `${name}${block}_${k}`,
      array: `visitedRows[0][partner][${Math.floor(vector / inPiece)}]`,
      vector: vector % inPiece,
    })),
    rows: tile.rows,
    atOnce: tile.columns,
    stride: memory.visitedStride,
    registers: each((tensor) => tensor.registers),
    fetch: (first) => each((tensor) => tensor.fetch(`rowTile * tileRows + ${first}`)),
    store: each((tensor) => tensor.store('0')),
  })
}
