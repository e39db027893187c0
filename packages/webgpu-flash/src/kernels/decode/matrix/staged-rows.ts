// How keys and values reach the matrices: as rows of halves in workgroup memory. What is stored as halves is
// moved, 16 bytes at a time; blocks are copied as they are first, since they lie across the steps in which memory
// is best read, and are then expanded two at a time by one thread: a scale is found once for 32 elements.
import type { QuantizedType } from '@attn/core'
import { indent, unroll } from '../../../codegen/snippets.ts'
import { pairWords } from '../../../plan/decode/decode-matrix-tile.ts'
import type { DecodeMatrixTile } from '../../../plan/decode/decode-matrix-tile.ts'
import { placeText } from '../decode-places.ts'
import { eachUnit } from '../../tile/source.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { blockWords } from './quantized-order.ts'
import type { BlockWord } from './quantized-order.ts'

/** The texts that move rows of K or V. */
export interface StagedRows {
  /** Workgroup memory besides the tile. */
  readonly memory: string
  /** Declares registers of what is on its way. */
  readonly registers: string
  /** Before the loop. What follows needs a barrier. */
  readonly begin: string
  /** Brings the rows of \`chunk\` to the tile. */
  readonly toTile: string
  /** Done in another phase than that, a barrier apart. */
  readonly behind: string
}

type Name = 'key' | 'value'

const dimsOf = (config: DecodeMatrixConfig, name: Name): number =>
  name === 'key' ? config.headDim : config.valueDim

/** The place of a row's vector of four halves in the tile, \`row\` and \`vector\` being variables. */
function tilePlace({ tile, memory }: DecodeMatrixConfig, name: Name): string {
  const array = tile.apart && name === 'value' ? 'valueTile' : 'tile'
  if (name === 'key') {
    const own = tile.keys / tile.subgroups
    return `${array}[row / ${own}u][row % ${own}u * ${memory.keyStride}u + vector]`
  }
  const own = memory.ownDims / 4
  return `${array}[vector / ${own}u][row * ${memory.valueStride}u + vector % ${own}u]`
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
  return type ? quantizedRows(config, name, type) : plainRows(config, name)
}

/** Rows that go from registers to the tile: those of the next chunk set off at once, or none before they are due. */
function aheadOrNot(
  { tile }: DecodeMatrixConfig,
  registers: string,
  fetch: (chunk: string) => string,
  store: string,
): StagedRows {
  if (!tile.ahead) {
    const toTile = `{\n${indent(`${registers}\n${fetch('chunk')}\n${store}`, 2)}\n}`
    return { memory: '', registers: '', begin: '', toTile, behind: '' }
  }
  return {
    memory: '',
    registers,
    begin: fetch('firstChunk'),
    toTile: `${store}\n${fetch('(chunk + 1u)')}`,
    behind: '',
  }
}

/** Statements that load all units of a chunk's rows into registers. */
function fetchRows(
  config: DecodeMatrixConfig,
  name: Name,
  inRow: number,
): (chunk: string) => string {
  const { tile } = config
  const threads = tile.subgroups * tile.subgroupSize
  const placed = placeText(config.places, tile.keys)
  return (chunk) => `if (${chunk} < endChunk) {
  let firstKey = ${chunkNumber(chunk)} * chunkKeys;
${indent(
  eachUnit(
    tile.keys * inRow,
    threads,
    (slot, unit) => `{
${indent(
  placed.rows(1, 'let ', () => `min(firstKey + ${unit} / ${inRow}u, lastKey)`),
  2,
)}
  ${name}Next${slot} = ${name}[${name}Base + place0 * params.${name}Row + ${unit} % ${inRow}u];
}`,
  ),
  2,
)}
}`
}

const registersOf = (
  { tile }: DecodeMatrixConfig,
  name: Name,
  inRow: number,
  type: string,
): string =>
  Array.from(
    { length: Math.ceil((tile.keys * inRow) / (tile.subgroups * tile.subgroupSize)) },
    (_, slot) => `var ${name}Next${slot} = ${type}();`,
  ).join('\n')

function plainRows(config: DecodeMatrixConfig, name: Name): StagedRows {
  const { tile } = config
  const inRow = dimsOf(config, name) / 8
  const fetch = fetchRows(config, name, inRow)
  const place = tilePlace(config, name)
  const store = eachUnit(
    tile.keys * inRow,
    tile.subgroups * tile.subgroupSize,
    (slot, unit) => `{
  let row = ${unit} / ${inRow}u;
  let pair = ${unit} % ${inRow}u * 2u;
  var vector = pair + swap;
  ${place} = bitcast<vec4<f16>>(select(${name}Next${slot}.xy, ${name}Next${slot}.zw, swap == 1u));
  vector = pair + 1u - swap;
  ${place} = bitcast<vec4<f16>>(select(${name}Next${slot}.zw, ${name}Next${slot}.xy, swap == 1u));
}`,
  )
  return aheadOrNot(config, registersOf(config, name, inRow, 'vec4<u32>'), fetch, store)
}

/** Words that are loaded as one: as many as there are pairs of blocks in a row. */
export function wordsAtOnce(
  { tile }: { readonly tile: Pick<DecodeMatrixTile, 'direct'> },
  dims: number,
): 1 | 2 | 4 {
  return tile.direct ? 1 : ((dims / 64) as 1 | 2 | 4)
}

/** The type of such words. */
export const wordsType = (words: 1 | 2 | 4): string => (words === 1 ? 'u32' : `vec${words}<u32>`)

function quantizedRows(config: DecodeMatrixConfig, name: Name, type: QuantizedType): StagedRows {
  const { tile } = config
  const threads = tile.subgroups * tile.subgroupSize
  const pairs = dimsOf(config, name) / 64
  const words = wordsAtOnce(config, dimsOf(config, name))
  const inRow = pairWords[type]
  const raw = `${name}Words`
  const keys = name === 'key'
  // Eight neighbouring threads have the same place in eight rows, which lie in different banks.
  const eachPair = (text: (slot: number) => string): string =>
    eachUnit(
      tile.keys * pairs,
      threads,
      (slot, unit) => `{
  let unit = ${unit};
  let row = (unit & 7u) + unit / ${8 * pairs}u * 8u;
  let pair = (unit >> 3u) % ${pairs}u;
${indent(text(slot), 2)}
}`,
    )
  if (tile.direct) {
    const register = (slot: number, n: number): string => `${name}Next${slot}_${n}`
    const slots = Math.ceil((tile.keys * pairs) / threads)
    const placed = placeText(config.places, tile.keys)
    const fetch = (chunk: string): string => `if (${chunk} < endChunk) {
  let firstKey = ${chunkNumber(chunk)} * chunkKeys;
${indent(
  eachPair(
    (slot) => `${placed.rows(1, 'let ', () => 'min(firstKey + row, lastKey)')}
let firstWord = ${name}Base + place0 * params.${name}Row + pair * ${inRow}u;
${unroll(inRow, (n) => `${register(slot, n)} = ${name}[firstWord + ${n}u];`)}`,
  ),
  2,
)}
}`
    return aheadOrNot(
      config,
      unroll(slots, (slot) => unroll(inRow, (n) => `var ${register(slot, n)} = 0u;`)),
      fetch,
      eachPair((slot) => expanded(config, name, type, (n) => register(slot, n))),
    )
  }
  const fetch = fetchRows(config, name, inRow)
  const store = eachUnit(
    tile.keys * inRow,
    threads,
    (slot, unit) => `${raw}[${unit}] = ${name}Next${slot};`,
  )
  const word = (n: number): string =>
    words === 1
      ? `${raw}[firstWord + ${n}u]`
      : `${raw}[(firstWord + ${n}u) / ${words}u][(firstWord + ${n}u) % ${words}u]`
  return {
    memory: `var<workgroup> ${raw}: array<${wordsType(words)}, ${tile.keys * inRow}>;`,
    registers: registersOf(config, name, inRow, wordsType(words)),
    begin: keys
      ? `${fetch('firstChunk')}\n${store}\n${fetch('(firstChunk + 1u)')}`
      : fetch('firstChunk'),
    toTile: eachPair(
      () => `let firstWord = (row * ${words}u + pair) * ${inRow}u;
${expanded(config, name, type, word)}`,
    ),
    behind: `${store}\n${fetch(keys ? '(chunk + 2u)' : '(chunk + 1u)')}`,
  }
}

/** The largest whole number of each type: times that, a scale has to be a half still. */
const mostMultiples = { q8_0: 128, q4_0: 8 } as const

/** Statements that expand the pair \`pair\` of \`row\`, of which \`word\` is the text of each word. */
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
