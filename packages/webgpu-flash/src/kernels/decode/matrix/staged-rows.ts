// How keys and values reach the matrices: as rows of halves in workgroup memory. What is stored as halves is
// moved, 16 bytes at a time; of blocks a thread loads two neighbours, which begin and end on whole words, and expands
// them: a scale is found once for 32 elements. The next chunk's are on their way while this one is worked on.
import type { QuantizedType } from '@attn/core'
import { indent, unroll } from '../../../codegen/snippets.ts'
import { placeText } from '../decode-places.ts'
import { eachUnit } from '../../tile/source.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { blockWords } from './quantized-order.ts'
import type { BlockWord } from './quantized-order.ts'

/** The texts that move rows of K or V. */
export interface StagedRows {
  /** Declares registers of what is on its way. */
  readonly registers: string
  /** Before the loop: sends for the first rows. */
  readonly begin: string
  /** Brings the rows of `chunk` to the tile, and sends for the next. */
  readonly toTile: string
}

type Name = 'key' | 'value'

/** The place of a row's vector of four halves in the tile, `row` and `vector` being variables. */
function tilePlace({ tile, memory }: DecodeMatrixConfig, name: Name): string {
  if (name === 'key') {
    const own = tile.keys / tile.subgroups
    return `tile[row / ${own}u][row % ${own}u * ${memory.keyStride}u + vector]`
  }
  const own = memory.ownDims / 4
  return `tile[vector / ${own}u][row * ${memory.valueStride}u + vector % ${own}u]`
}

/** The chunk with this number among those that a sequence's rows see. */
export const chunkNumber = (index: string): string => `chunkOf(chunkStart, chunkList, ${index})`

/** WGSL of that: a branch, since nobody is to wait for a list that is none. */
export const chunkFunction: string = /* wgsl */ `fn chunkOf(start: u32, list: u32, index: u32) -> u32 {
  if (list != 0u) { return lengths[list + index]; }
  return start + index;
}`

/** The rows of one tensor. */
export function stagedRows(config: DecodeMatrixConfig, name: Name): StagedRows {
  const type = config[name].quantized
  const moves = type ? quantizedRows(config, name, type) : plainRows(config, name)
  const placed = placeText(config.places, config.tile.keys)
  const fetch = (chunk: string): string => `if (${chunk} < endChunk) {
  let firstKey = ${chunkNumber(chunk)} * chunkKeys;
${indent(
  moves.load((row) => placed.rows(1, 'let ', () => `min(firstKey + ${row}, lastKey)`)),
  2,
)}
}`
  return {
    registers: moves.registers,
    begin: fetch('firstChunk'),
    toTile: `${moves.store}\n${fetch('(chunk + 1u)')}`,
  }
}

/** Rows on their way through registers. */
interface Moves {
  readonly registers: string
  /** Loads them; `place` gives statements that declare `place0`, where a row of the chunk lies. */
  load(place: (row: string) => string): string
  /** Brings them to the tile. */
  readonly store: string
}

function plainRows(config: DecodeMatrixConfig, name: Name): Moves {
  const { tile, headDim, valueDim } = config
  const inRow = (name === 'key' ? headDim : valueDim) / 8
  const units = tile.keys * inRow
  const threads = tile.subgroups * tile.subgroupSize
  const place = tilePlace(config, name)
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
${indent(placed(`${unit} / ${inRow}u`), 2)}
  ${name}Next${slot} = ${name}[${name}Base + place0 * params.${name}Row + ${unit} % ${inRow}u];
}`,
      ),
    store: eachUnit(
      units,
      threads,
      (slot, unit) => `{
  let row = ${unit} / ${inRow}u;
  let pair = ${unit} % ${inRow}u * 2u;
  var vector = pair + swap;
  ${place} = bitcast<vec4<f16>>(select(${name}Next${slot}.xy, ${name}Next${slot}.zw, swap == 1u));
  vector = pair + 1u - swap;
  ${place} = bitcast<vec4<f16>>(select(${name}Next${slot}.zw, ${name}Next${slot}.xy, swap == 1u));
}`,
    ),
  }
}

/** Words of two neighbouring blocks. */
const pairWords = { q8_0: 17, q4_0: 9 } as const

function quantizedRows(config: DecodeMatrixConfig, name: Name, type: QuantizedType): Moves {
  const { tile, headDim, valueDim } = config
  const threads = tile.subgroups * tile.subgroupSize
  const pairs = (name === 'key' ? headDim : valueDim) / 64
  const units = tile.keys * pairs
  const words = pairWords[type]
  const register = (slot: number, n: number): string => `${name}Next${slot}_${n}`
  // Eight neighbouring threads have the same place in eight rows, which lie in different banks.
  const eachPair = (text: (slot: number) => string): string =>
    eachUnit(
      units,
      threads,
      (slot, unit) => `{
  let unit = ${unit};
  let row = (unit & 7u) + unit / ${8 * pairs}u * 8u;
  let pair = (unit >> 3u) % ${pairs}u;
${indent(text(slot), 2)}
}`,
    )
  return {
    registers: unroll(Math.ceil(units / threads), (slot) =>
      unroll(words, (n) => `var ${register(slot, n)} = 0u;`),
    ),
    load: (placed) =>
      eachPair(
        (slot) => `${placed('row')}
let firstWord = ${name}Base + place0 * params.${name}Row + pair * ${words}u;
${unroll(words, (n) => `${register(slot, n)} = ${name}[firstWord + ${n}u];`)}`,
      ),
    store: eachPair((slot) => expanded(config, name, type, (n) => register(slot, n))),
  }
}

/** The largest whole number of each type: times that, a scale has to be a half still. */
const mostMultiples = { q8_0: 128, q4_0: 8 } as const

/** Statements that expand the pair `pair` of `row`, of which `word` is the text of each word. */
function expanded(
  config: DecodeMatrixConfig,
  name: Name,
  type: QuantizedType,
  word: (n: number) => string,
): string {
  const place = tilePlace(config, name)
  const blocks = blockWords(type).map((each, block) => {
    const scale = block === 0 ? 'scales.x' : 'scales.y'
    const get = (one: BlockWord): string => (one === 'mixed' ? 'mixed' : word(one))
    const eights =
      type === 'q4_0'
        ? each.map((one) => `fourBits(${get(one)}, ${scale})`)
        : Array.from({ length: each.length / 2 }, (_, i) => {
            const [a, b] = [get(each[2 * i]!), get(each[2 * i + 1]!)]
            return `Eight(eightBits(${a}, ${scale}), eightBits(${b}, ${scale}))`
          })
    return unroll(eights.length, (i) => {
      const at = `pairVector + ${8 * block + 2 * i}u`
      return `{
  let eight = ${eights[i]!};
  var vector = ${at} + swap;
  ${place} = select(eight.first, eight.second, swap == 1u);
  vector = ${at} + 1u - swap;
  ${place} = select(eight.second, eight.first, swap == 1u);
}`
    })
  })
  return `let pairVector = pair * 16u;
let word0 = ${word(0)};
let wordMiddle = ${word(type === 'q8_0' ? 8 : 4)};
let mixed = (wordMiddle & 0xffffu) | (word0 & 0xffff0000u);
let scales = bitcast<vec2<f16>>((word0 & 0xffffu) | (wordMiddle & 0xffff0000u));
largestScale = max(largestScale, abs(scales) * ${mostMultiples[type]}.0h);
${blocks.join('\n')}`
}

/**
 * WGSL of what turns words of blocks into halves. A small whole number in the last bits of the half 1024 is that
 * half plus the number, and less 1024 it is exact; both subtract what makes it signed, too.
 */
export function expansionFunctions(types: readonly (QuantizedType | undefined)[]): string {
  if (types.every((type) => type === undefined)) return ''
  const parts = [
    /* wgsl */ `struct Eight {
  first: vec4<f16>,
  second: vec4<f16>,
}`,
    types.includes('q8_0')
      ? /* wgsl */ `fn eightBits(word: u32, scale: f16) -> vec4<f16> {
  let low = bitcast<vec2<f16>>((word & 0x00ff00ffu) ^ 0x64806480u);
  let high = bitcast<vec2<f16>>(((word >> 8u) & 0x00ff00ffu) ^ 0x64806480u);
  return vec4<f16>((low - vec2<f16>(1152.0h)) * scale, (high - vec2<f16>(1152.0h)) * scale);
}`
      : '',
    types.includes('q4_0')
      ? /* wgsl */ `fn fourBits(word: u32, scale: f16) -> Eight {
  let a = bitcast<vec2<f16>>((word & 0x000f000fu) | 0x64006400u);
  let b = bitcast<vec2<f16>>(((word >> 4u) & 0x000f000fu) | 0x64006400u);
  let c = bitcast<vec2<f16>>(((word >> 8u) & 0x000f000fu) | 0x64006400u);
  let d = bitcast<vec2<f16>>(((word >> 12u) & 0x000f000fu) | 0x64006400u);
  let less = vec2<f16>(1032.0h);
  return Eight(
    vec4<f16>((a - less) * scale, (b - less) * scale),
    vec4<f16>((c - less) * scale, (d - less) * scale),
  );
}`
      : '',
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}
