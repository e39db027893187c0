// How a thread of the decode kernel reads its part of a row of quantised blocks (see quantize.ts of core):
// as the words that these lie in, a scale and what is multiplied by it. Blocks are 34 and 18 bytes long, so
// that every second one begins in the middle of a word. Nothing is expanded but in registers, and a scale
// multiplies sums of products instead of elements.
import type { QuantizedType } from '@attn/core'
import { laneVectors } from '../../plan/decode/decode-tile.ts'
import type { RowLoad } from './decode-loads.ts'

/** Halves of a block: its scale, and the elements. */
const halvesOf = { q8_0: 17, q4_0: 9 } as const

/**
 * Which of a row's vectors a thread has. Four bits keep an element beside the one 16 later, so that a thread
 * with pairs of vectors has such pairs.
 */
export function quantizedVector(
  type: QuantizedType,
  count: number,
  index: number,
  lanes: number,
): string {
  if (count % 2 !== 0) return `lane + ${index * lanes}u`
  const unit = `(lane + ${(index >> 1) * lanes}u)`
  if (type === 'q8_0') return `2u * ${unit} + ${index & 1}u`
  return `8u * (${unit} >> 2u) + (${unit} & 3u) + ${4 * (index & 1)}u`
}

/** The text of a thread's loads of the row `place{at}` of K or V. */
export function quantizedLoad(
  name: 'key' | 'value',
  type: QuantizedType,
  dims: number,
  lanes: number,
  at: number,
): RowLoad {
  const count = laneVectors(dims, lanes)
  const paired = count % 2 === 0
  const groups = paired ? count / 2 : count
  const units = dims / (paired ? 8 : 4)
  const loads: [string, string][] = []
  const vectors: string[] = []
  const scales: string[] = []
  for (let group = 0; group < groups; group++) {
    const own = `${name}${at}_${group}`
    const beyond = (group + 1) * lanes > units
    const unit = beyond
      ? `min(lane + ${group * lanes}u, ${units - 1}u)`
      : `(lane + ${group * lanes}u)`
    const perBlock = paired ? 2 : 3
    // The half that the block begins with, and the first of the elements.
    const block = `${name}Base + place${at} * params.${name}Row + (${unit} >> ${perBlock}u) * ${halvesOf[type]}u`
    const within =
      type === 'q8_0'
        ? `${paired ? 4 : 2}u * (${unit} & ${paired ? 3 : 7}u)`
        : `2u * (${unit} & 3u)`
    loads.push([`${own}block`, block], [`${own}first`, `${own}block + 1u + ${within}`])
    loads.push([`${own}scale`, `${name}[${own}block >> 1u]`])
    const words = type === 'q8_0' && paired ? 3 : 2
    for (let word = 0; word < words; word++) {
      loads.push([`${own}word${word}`, `${name}[(${own}first >> 1u) + ${word}u]`])
    }
    const aligned = (word: number): string =>
      `select(${own}word${word}, (${own}word${word} >> 16u) | (${own}word${word + 1} << 16u), (${own}first & 1u) == 1u)`
    scales.push(`halfOf(${own}scale, ${own}block)`)
    if (type === 'q8_0') {
      for (let word = 0; word < words - 1; word++) vectors.push(`eights(${aligned(word)})`)
    } else if (paired) {
      vectors.push(`fours(${aligned(0)})`, `fours(${aligned(0)} >> 4u)`)
    } else {
      vectors.push(`fours(${aligned(0)} >> (${unit} & 4u))`)
    }
  }
  return { loads, vectors, scales }
}

/** WGSL of what the loads call. */
export function quantizedFunctions(types: readonly (QuantizedType | undefined)[]): string {
  const parts = [
    types.some((type) => type !== undefined)
      ? /* wgsl */ `fn halfOf(word: u32, index: u32) -> f32 {
  let both = unpack2x16float(word);
  return select(both.x, both.y, (index & 1u) == 1u);
}`
      : '',
    types.includes('q8_0')
      ? /* wgsl */ `fn eights(word: u32) -> vec4<f32> {
  return vec4<f32>(vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}`
      : '',
    types.includes('q4_0')
      ? /* wgsl */ `fn fours(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u)) - vec4<f32>(8.0);
}`
      : '',
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}
