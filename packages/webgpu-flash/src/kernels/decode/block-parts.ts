// How a thread of the decode kernel reads a part of two neighbouring blocks of eight bits (see quantize.ts of core), which
// together begin and end on whole words: a quarter or an eighth of their elements, in words of its own, and the word that
// holds its scale. Of the first block two bytes lie beside the scale; they go to the block's last part, whose last word
// ends with the other block's scale. So no word has to be shifted, and one thread puts one word together. Of blocks of
// four bits a thread has so few words that this gains nothing.
import { blockSizes } from './block-words.ts'
import type { DecodeAccess, RowLoad } from './decode-access.ts'

/** Words of two blocks, the one with the second scale, and those of elements alone. */
const { pair, second: secondScale, words } = blockSizes.q8_0
const sizes = { pair, secondScale, elements: 2 * words } as const

/** Parts of two blocks, one for each thread; undefined where threads do not share a row so. */
export function partsOf(
  { quantized, wholeWords }: Pick<DecodeAccess, 'quantized' | 'wholeWords'>,
  dims: number,
  lanes: number,
): 4 | 8 | undefined {
  if (quantized !== 'q8_0' || !wholeWords || dims % 64 !== 0) return undefined
  const parts = lanes / (dims / 64)
  return parts === 4 || parts === 8 ? parts : undefined
}

/**
 * WGSL of the word that a half is in. Where a binding begins past the tensor's first row, a base is below zero until the
 * place of a row is added.
 */
export const wholeWord = (half: string): string => `bitcast<u32>(bitcast<i32>(${half}) >> 1u)`

/** Statements that find a thread's part of a row, once for all rows. */
export const partPlaces = (
  name: 'key' | 'value',
  parts: number,
): string => `let ${name}Words = params.${name}Row >> 1u;
let ${name}Part = lane % ${parts}u;
let ${name}Pair = ${wholeWord(`${name}Base`)} + lane / ${parts}u * ${sizes.pair}u;
let ${name}Second = ${name}Part >= ${parts / 2}u;
let ${name}Scales = ${name}Pair + select(0u, ${sizes.secondScale}u, ${name}Second);
let ${name}Shift = select(0u, 16u, ${name}Second);
let ${name}Elements = ${name}Pair + 1u + ${sizes.elements / parts}u * ${name}Part;
let ${name}Beside = select(0u, 0xffff0000u, ${name}Part == ${parts / 2 - 1}u); // bits of its last word that lie beside the scale
`

/** The text of a thread's loads of the row `place{at}` of K or V. */
export function partLoad(name: 'key' | 'value', parts: number, at: number): RowLoad {
  const own = `${name}${at}_`
  const words = Array.from({ length: sizes.elements / parts }, (_, word) => `${own}word${word}`)
  const last = words.at(-1)!
  return {
    loads: [
      [`${own}row`, `place${at} * ${name}Words`],
      [`${own}scale`, `${name}[${name}Scales + ${own}row]`],
      ...words.map(
        (text, word) => [text, `${name}[${name}Elements + ${own}row + ${word}u]`] as const,
      ),
    ],
    vectors: [
      ...words.slice(0, -1).map((text) => `eights(${text})`),
      `eights((${last} & ~${name}Beside) | (${own}scale & ${name}Beside))`,
    ],
    scales: [`unpack2x16float(${own}scale >> ${name}Shift).x`],
  }
}

/**
 * WGSL of `partDims(place)`, the dims of the vector at a place of a row as threads have it: the first two, and the
 * first of the other two; and of `partPlace(dim)`, the place of a dim.
 */
export const partFunctions: string = /* wgsl */ `fn partDims(place: u32) -> vec2<u32> {
  if ((place & 32u) != 0u) { return vec2<u32>(place, place + 2u); }
  return (vec2<u32>(place) & vec2<u32>(~31u)) | ((vec2<u32>(place) + vec2<u32>(2u, 4u)) & vec2<u32>(31u));
}

fn partPlace(dim: u32) -> u32 {
  return select((dim & ~31u) | ((dim + 30u) & 31u), dim, (dim & 32u) != 0u);
}`

/** WGSL of four elements of a query, two and two. */
export const queryDimsFunction: string = /* wgsl */ `fn queryDims(base: u32, dims: vec2<u32>) -> vec4<f32> {
  let first = loadQuery(base, dims.x >> 2u);
  let second = loadQuery(base, dims.y >> 2u);
  return vec4<f32>(
    select(first.xy, first.zw, (dims.x & 2u) != 0u),
    select(second.xy, second.zw, (dims.y & 2u) != 0u),
  );
}`
