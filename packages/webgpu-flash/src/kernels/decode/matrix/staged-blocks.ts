// How blocks of quantised keys and values become rows of halves in workgroup memory. The rows of a chunk lie one after
// another, so they are loaded 16 bytes at a time and go through the tile as they are. From there each thread reads two
// neighbouring blocks of a row, which begin and end on whole words, and stores them in the tile as halves: a scale is
// found once for 32 elements. Where both keys and values are blocks they go through the tile together.
import type { QuantizedType } from '@attn/core'
import { indent, unroll } from '../../../codegen/snippets.ts'
import { declareNothing } from '../../rolled-loops.ts'
import { eachUnit } from '../../tile/source.ts'
import { blockSizes, bothScales, broughtTogether } from '../block-words.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { register } from './moves.ts'
import type { BlockMoves, Moves, StagedName } from './moves.ts'

/** The largest whole number of an element. */
const largestNumber = { q8_0: 128, q4_0: 8 } as const

/** How many vectors of the tile the blocks of a subgroup's keys, or values, take as they are. */
export function rawVectors(
  { tile, headDim, valueDim }: DecodeMatrixConfig,
  name: StagedName,
  type: QuantizedType,
): number {
  const pairs = (name === 'key' ? headDim : valueDim) / 64
  return ((tile.keys / tile.subgroups) * pairs * blockSizes[type].pair) / 2
}

/**
 * The rows of one tensor.
 *
 * @param turn - Which of the chunks on their way.
 * @param first - Where in the tile they go as they are.
 * @param place - The place of a vector of the row `row` in the tile.
 */
export function stagedBlocks(
  config: DecodeMatrixConfig,
  { name, type, turn, first }: StagedBlocks,
  place: (vector: string) => string,
): Moves & BlockMoves {
  const { tile, headDim, valueDim } = config
  const { subgroups, subgroupSize } = tile
  const pairs = (name === 'key' ? headDim : valueDim) / 64
  const ownKeys = tile.keys / subgroups
  const vectors = rawVectors(config, name, type) / 2
  const slots = Math.ceil(vectors / subgroupSize)
  const own = (slot: number): string => register(name, slot, turn)
  // Threads without a vector left load another's: where paths part, loads would be waited for.
  const load = (slot: number): string => {
    const vector = `lane + ${slot * subgroupSize}u`
    const held = (slot + 1) * subgroupSize <= vectors ? vector : `min(${vector}, ${vectors - 1}u)`
    return `${own(slot)} = ${name}[firstVector + ${held}];`
  }
  const units = ownKeys * pairs
  const eachPair = (text: (pair: string, done: number) => string): string =>
    unroll(Math.ceil(units / subgroupSize), (slot) => text(`${name}${slot}`, slot * subgroupSize))
  return {
    registers: unroll(slots, (slot) => `var ${own(slot)} = vec4<u32>();`),
    load: (placed) => `${placed('0u')}
let firstVector = ${name}Base + (place0 >> 2u) * ${pairs * blockSizes[type].pair}u + subgroup * ${vectors}u;
${unroll(slots, load)}`,
    store: eachUnit(
      vectors,
      subgroupSize,
      (
        slot,
      ) => `tile[subgroup][2u * lane + ${first + 2 * slot * subgroupSize}u] = bitcast<vec4<f16>>(${own(slot)}.xy);
tile[subgroup][2u * lane + ${first + 2 * slot * subgroupSize + 1}u] = bitcast<vec4<f16>>(${own(slot)}.zw);`,
      'lane',
    ),
    read: eachPair((pair, done) =>
      pairWords(
        type,
        { keys: ownKeys, pairs, first },
        pair,
        done === 0 ? 'lane' : `(lane + ${done}u)`,
      ),
    ),
    expand: eachPair((pair, done) => {
      const stores = storedPair(type, pair, place)
      const left = units - done
      return left >= subgroupSize ? stores : `if (lane < ${left}u) ${stores}`
    }),
  }
}

/** Which blocks are staged. */
export interface StagedBlocks {
  readonly name: StagedName
  readonly type: QuantizedType
  readonly turn: number
  readonly first: number
}

/** Statements that read the pair of blocks of a unit: `word{n}_{pair}`. Neighbouring threads have other rows. */
function pairWords(
  type: QuantizedType,
  { keys, pairs, first }: Readonly<Record<'keys' | 'pairs' | 'first', number>>,
  pair: string,
  unit: string,
): string {
  const { pair: words } = blockSizes[type]
  // In words of eight bytes, of which every other pair begins in the middle.
  const half = (n: number): string => `eight${n >> 1}_${pair}.${n % 2 === 0 ? 'x' : 'y'}`
  const row = `${unit} % 8u + ${unit} / ${8 * pairs}u % ${keys / 8}u * 8u`
  // Of four bits those of every other pair are four rows further, so that threads meet different banks.
  const turned = type === 'q4_0' && pairs > 1 ? `(${row} + pair_${pair} % 2u * 4u) % ${keys}u` : row
  return `let pair_${pair} = ${unit} / 8u % ${pairs}u;
let ownRow_${pair} = ${turned};
let row_${pair} = subgroup * ${keys}u + ownRow_${pair};
let firstWord_${pair} = (ownRow_${pair} * ${pairs}u + pair_${pair}) * ${words}u;
let odd_${pair} = firstWord_${pair} % 2u != 0u;
${unroll((words + 1) / 2, (n) => `let eight${n}_${pair} = bitcast<vec2<u32>>(tile[subgroup][firstWord_${pair} / 2u + ${first + n}u]);`)}
${unroll(words, (n) => `let word${n}_${pair} = select(${half(n)}, ${half(n + 1)}, odd_${pair});`)}`
}

/**
 * A statement that stores the pair as halves, in the order of quantized-order.ts. Of the first block the last two and
 * first two bytes lie in words that hold a scale besides, and make one word together.
 */
function storedPair(type: QuantizedType, pair: string, place: (vector: string) => string): string {
  const { second: middle } = blockSizes[type]
  const word = (n: number): string => `word${n}_${pair}`
  const words = (first: number, count: number): string[] =>
    Array.from({ length: count }, (_, i) => word(first + i))
  // Two words, whose vectors every other pair of blocks exchanges: so that threads meet different banks.
  const two = (first: string, second: string, vector: number): string =>
    type === 'q8_0'
      ? `${place(`(even + ${vector}u)`)} = eightBits(${first}, masks.x, scale);
${place(`(odd + ${vector}u)`)} = eightBits(${second}, masks.x, scale);`
      : `{
  let first = fourBits(${first}, masks.y, scale);
  let second = fourBits(${second}, masks.y, scale);
  ${place(`(even + ${vector}u)`)} = first.low;
  ${place(`(odd + ${vector}u)`)} = second.low;
  ${place(`(even + ${vector + 2}u)`)} = first.high;
  ${place(`(odd + ${vector + 2}u)`)} = second.high;
}`
  const block = (scale: string, each: readonly string[], vector: number): string => `{
  let scale = ${scale};
${indent(
  unroll(each.length / 2, (i) =>
    two(each[2 * i]!, each[2 * i + 1]!, vector + (type === 'q8_0' ? 2 : 4) * i),
  ),
  2,
)}
}`
  return `{
  let row = row_${pair};
  let even = pair_${pair} * 16u + pair_${pair} % 2u;
  let odd = pair_${pair} * 16u + (pair_${pair} + 1u) % 2u;
  let mixed = ${broughtTogether(word(middle), word(0))};
  // Rows past the last may hold anything.
  let bothScales = ${bothScales(word(middle), word(0))};
  let scales = bitcast<vec2<f16>>(select(0u, bothScales, firstKey + row <= lastKey));
  largestScale = max(largestScale, abs(scales) * ${largestNumber[type] / 65536}h);
${indent(block('scales.x', ['mixed', ...words(1, middle - 1)], 0), 2)}
${indent(block('scales.y', words(middle + 1, middle), 8), 2)}
}`
}

/** Declares what the statements share. */
export const blockRegisters: string = `${declareNothing}
let masks = vec2<u32>(0x00ff00ffu, 0x000f000fu) ^ vec2<u32>(nothing); // in registers: an instruction takes one constant
var largestScale = vec2<f16>(0.0h); // of the largest half the part that an element may come to`

/**
 * WGSL of what turns words of blocks into halves. A small whole number in the last bits of the half 1024 is that
 * half plus the number, and less 1024 it is exact; both subtract what makes it signed, too.
 */
export function expansionFunctions(types: readonly (QuantizedType | undefined)[]): string {
  if (types.every((type) => type === undefined)) return ''
  const parts = [
    /* wgsl */ `struct Eight {
  low: vec4<f16>,
  high: vec4<f16>,
}`,
    types.includes('q8_0')
      ? /* wgsl */ `fn eightBits(word: u32, mask: u32, scale: f16) -> vec4<f16> {
  let low = bitcast<vec2<f16>>((word & mask) ^ 0x64806480u);
  let high = bitcast<vec2<f16>>(((word >> 8u) & mask) ^ 0x64806480u);
  return vec4<f16>((low - vec2<f16>(1152.0h)) * scale, (high - vec2<f16>(1152.0h)) * scale);
}`
      : '',
    types.includes('q4_0')
      ? /* wgsl */ `fn fourBits(word: u32, mask: u32, scale: f16) -> Eight {
  let a = bitcast<vec2<f16>>((word & mask) | 0x64006400u);
  let b = bitcast<vec2<f16>>(((word >> 4u) & mask) | 0x64006400u);
  let c = bitcast<vec2<f16>>(((word >> 8u) & mask) | 0x64006400u);
  let d = bitcast<vec2<f16>>(((word >> 12u) & mask) | 0x64006400u);
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
