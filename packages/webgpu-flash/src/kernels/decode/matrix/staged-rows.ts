// How keys and values reach the matrices: as rows of halves in workgroup memory, loaded 16 bytes at a time. The next
// chunk's are on their way while this one is worked on. Of halves a thread stores each two vectors half a row apart,
// so that neighbours store side by side; blocks are expanded, see staged-blocks.ts.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { placeText } from '../decode-places.ts'
import { eachUnit } from '../../tile/source.ts'
import type { DecodeMatrixConfig } from './config.ts'
import type { Moves, StagedName } from './moves.ts'
import { stagedBlocks } from './staged-blocks.ts'

/** The texts that move rows of K or V. */
export interface StagedRows {
  /** Declares registers of what is on its way. */
  readonly registers: string
  /** Before the loop: sends for the first rows. */
  readonly begin: string
  /** Brings the rows of `chunk` to the tile, and sends for the next. */
  readonly toTile: string
}

/** The place of a row's vector of four halves in the tile, `row` being a variable. */
function tilePlace(
  { tile, memory }: DecodeMatrixConfig,
  name: StagedName,
): (vector: string) => string {
  const parts = tile.subgroups
  if (name === 'key') {
    const own = tile.keys / parts
    const part = parts === 1 ? '0' : `row / ${own}u`
    return (vector) => `tile[${part}][row % ${own}u * ${memory.keyStride}u + ${vector}]`
  }
  const own = memory.ownDims / 4
  return parts === 1
    ? (vector) => `tile[0][row * ${memory.valueStride}u + ${vector}]`
    : (vector) => `tile[${vector} / ${own}u][row * ${memory.valueStride}u + ${vector} % ${own}u]`
}

/** The chunk with this number among those that a sequence's rows see. */
export const chunkNumber = (index: string): string => `chunkOf(chunkStart, chunkList, ${index})`

/**
 * WGSL of that. Only a mask makes lists; where there is none, not even a branch is left, for which loads on their
 * way would wait. With one it is a branch, since nobody is to wait for a list that is none.
 */
export const chunkFunction = (
  masked: boolean,
): string => /* wgsl */ `fn chunkOf(start: u32, list: u32, index: u32) -> u32 {
${masked ? '  if (list != 0u) { return lengths[list + index]; }\n' : ''}  return start + index;
}`

/** The rows of one tensor. */
export function stagedRows(config: DecodeMatrixConfig, name: StagedName): StagedRows {
  const type = config[name].quantized
  const moves = type
    ? stagedBlocks(config, name, type, tilePlace(config, name))
    : plainRows(config, name)
  const placed = placeText(config.places, config.tile.keys)
  const place = (row: string): string =>
    placed.rows(1, 'let ', () => `min(firstKey + ${row}, lastKey)`)
  const fetch = (chunk: string): string => `if (${chunk} < endChunk) {
  let firstKey = ${chunkNumber(chunk)} * chunkKeys;
${indent(moves.load(place), 2)}
}`
  return {
    registers: moves.registers,
    begin: fetch('firstChunk'),
    toTile: `${moves.store}\n${fetch('(chunk + 1u)')}${moves.expand ? `\n{\n${indent(moves.expand, 2)}\n}` : ''}`,
  }
}

function plainRows(config: DecodeMatrixConfig, name: StagedName): Moves {
  const { tile, headDim, valueDim } = config
  const inRow = (name === 'key' ? headDim : valueDim) / 8
  const units = tile.keys * inRow
  const threads = tile.subgroups * tile.subgroupSize
  const place = tilePlace(config, name)
  // Rows of a thread's units are so many apart where threads are whole rows.
  const step = threads % inRow === 0 ? threads / inRow : undefined
  const rowOf = (slot: number, unit: string): string =>
    step === undefined
      ? `${unit} / ${inRow}u`
      : `${step === 1 ? '' : `thread / ${inRow}u + `}${slot * step}u`
  const inRowOf = (unit: string): string => `${step === undefined ? unit : 'thread'} % ${inRow}u`
  return {
    registers: unroll(
      Math.ceil(units / threads),
      (slot) => `var ${name}Next${slot} = vec4<u32>();`,
    ),
    load: (placed) =>
      eachUnit(
        units,
        threads,
        (slot, unit) => `{
${indent(placed(rowOf(slot, unit)), 2)}
  ${name}Next${slot} = ${name}[${name}Base + place0 * params.${name}Row + ${inRowOf(unit)}];
}`,
      ),
    store: eachUnit(
      units,
      threads,
      (slot, unit) => `{
  let row = ${rowOf(slot, unit)};
  let first = ${inRowOf(unit)};
  ${place('first')} = bitcast<vec4<f16>>(${name}Next${slot}.xy);
  ${place(`(first + ${inRow}u)`)} = bitcast<vec4<f16>>(${name}Next${slot}.zw);
}`,
    ),
  }
}
