// How keys and values reach the matrices: as rows of halves in workgroup memory, loaded 16 bytes at a time. Those of the
// next chunk, or of two, are on their way while this one is worked on. Of halves a thread stores each two vectors half
// a row apart, so that neighbours store side by side; blocks are expanded, see staged-blocks.ts.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { placeText } from '../decode-places.ts'
import { eachUnit } from '../../tile/source.ts'
import { chunksAhead } from './config.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { register } from './moves.ts'
import type { BlockMoves, Moves, StagedName } from './moves.ts'
import { rawVectors, stagedBlocks } from './staged-blocks.ts'

/** The texts that move rows of K and V. */
export interface StagedRows {
  /** Declares registers of what is on its way. */
  readonly registers: string
  /** Before the loop: sends for the first rows. */
  readonly begin: string
  /** Brings the keys of `chunk`, whose turn it is, to the tile, and sends for later ones. */
  keysToTile(turn: number): string
  /** The same of the values, once the keys have been multiplied. */
  valuesToTile(turn: number): string
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

/** The rows of both tensors. */
export function stagedRows(config: DecodeMatrixConfig): StagedRows {
  const { tile, places, memory, key, value } = config
  const ahead = chunksAhead(config)
  const placed = placeText(places, tile.keys)
  const place = (row: string): string =>
    placed.rows(1, 'let ', () => `min(firstKey + ${row}, lastKey)`)
  const fetch = (moves: Moves, chunk: string): string => `if (${chunk} < endChunk) {
  let firstKey = ${chunkNumber(chunk)} * chunkKeys;
${indent(moves.load(place), 2)}
}`
  // Blocks of both go through the tile at once, where it has room: a barrier is waited for by both.
  const rawKeys = key.quantized && rawVectors(config, 'key', key.quantized)
  const rawValues = value.quantized && rawVectors(config, 'value', value.quantized)
  const together =
    rawKeys !== undefined && rawValues !== undefined && rawKeys + rawValues <= memory.tile
  const movesOf = (name: StagedName, turn: number): Moves & Partial<BlockMoves> => {
    const type = config[name].quantized
    const first = together && name === 'value' ? rawKeys : 0
    return type
      ? stagedBlocks(config, { name, type, turn, first }, tilePlace(config, name))
      : plainRows(config, name, turn)
  }
  const later = `(chunk + ${ahead}u)`
  const alone = (name: StagedName, turn: number): string => {
    const moves = movesOf(name, turn)
    const sent = `${moves.store}\n${fetch(moves, later)}`
    return moves.read === undefined
      ? sent
      : `${sent}
{
  workgroupBarrier();
${indent(moves.read, 2)}
  workgroupBarrier();
${indent(moves.expand!, 2)}
}`
  }
  const both = (turn: number): string => {
    const [keys, values] = [movesOf('key', turn), movesOf('value', turn)]
    return `${keys.store}
${values.store}
${fetch(keys, later)}
${fetch(values, later)}
workgroupBarrier();
${keys.read}
${values.read}
workgroupBarrier();
${keys.expand}`
  }
  const eachTurn = (text: (name: StagedName, turn: number) => string): string =>
    unroll(ahead, (turn) => `${text('key', turn)}\n${text('value', turn)}`)
  return {
    registers: eachTurn((name, turn) => movesOf(name, turn).registers),
    begin: eachTurn((name, turn) =>
      fetch(movesOf(name, turn), turn === 0 ? 'firstChunk' : `(firstChunk + ${turn}u)`),
    ),
    keysToTile: (turn) => (together ? both(turn) : alone('key', turn)),
    valuesToTile: (turn) => (together ? movesOf('value', turn).expand! : alone('value', turn)),
  }
}

function plainRows(config: DecodeMatrixConfig, name: StagedName, turn: number): Moves {
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
      (slot) => `var ${register(name, slot, turn)} = vec4<u32>();`,
    ),
    load: (placed) =>
      eachUnit(
        units,
        threads,
        (slot, unit) => `{
${indent(placed(rowOf(slot, unit)), 2)}
  ${register(name, slot, turn)} = ${name}[${name}Base + place0 * params.${name}Row + ${inRowOf(unit)}];
}`,
      ),
    store: eachUnit(
      units,
      threads,
      (slot, unit) => `{
  let row = ${rowOf(slot, unit)};
  let first = ${inRowOf(unit)};
  ${place('first')} = bitcast<vec4<f16>>(${register(name, slot, turn)}.xy);
  ${place(`(first + ${inRow}u)`)} = bitcast<vec4<f16>>(${register(name, slot, turn)}.zw);
}`,
    ),
  }
}
