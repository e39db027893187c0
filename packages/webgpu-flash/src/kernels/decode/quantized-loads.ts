// How a thread of the decode kernel reads its part of a row of quantised blocks (see quantize.ts of core):
// as the words that these lie in, a scale and what is multiplied by it. Blocks are 34 and 18 bytes long, so
// that every second one begins in the middle of a word. Nothing is expanded but in registers, and a scale
// multiplies sums of products instead of elements.
import type { QuantizedType } from '@attn/core'
import { laneVectors } from '../../plan/decode/decode-tile.ts'
import { wholeWord } from './block-parts.ts'
import type { DecodeAccess, RowLoad } from './decode-access.ts'

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

/** What a thread reads at once: the elements of one vector, or of two. */
interface Group {
  readonly name: string
  readonly unit: string
  /** Halves from the beginning of a row to its block, and from there to the elements. */
  readonly block: string
  readonly within: string
}

function groupsOf(
  name: 'key' | 'value',
  type: QuantizedType,
  dims: number,
  lanes: number,
): { readonly paired: boolean; readonly groups: readonly Group[] } {
  const count = laneVectors(dims, lanes)
  const paired = count % 2 === 0
  const units = dims / (paired ? 8 : 4)
  const groups = Array.from({ length: paired ? count / 2 : count }, (_, group): Group => {
    const beyond = (group + 1) * lanes > units
    const own = `lane + ${group * lanes}u`
    const unit = beyond ? `min(${own}, ${units - 1}u)` : `(${own})`
    const inBlock = paired ? [2, 3] : [3, 7]
    return {
      name: `${name}Group${group}`,
      unit,
      block: `(${unit} >> ${inBlock[0]}u) * ${halvesOf[type]}u`,
      within:
        type === 'q8_0' ? `${paired ? 4 : 2}u * (${unit} & ${inBlock[1]}u)` : `2u * (${unit} & 3u)`,
    }
  })
  return { paired, groups }
}

/** Statements that find a thread's place in a row, where rows begin on whole words: once for all rows. */
export function quantizedPlaces(
  name: 'key' | 'value',
  { quantized, wholeWords }: Pick<DecodeAccess, 'quantized' | 'wholeWords'>,
  dims: number,
  lanes: number,
): string {
  if (!quantized || !wholeWords) return ''
  const { groups } = groupsOf(name, quantized, dims, lanes)
  return `let ${name}Words = params.${name}Row >> 1u;
${groups
  .map(
    (group) => `let ${group.name}block = ${group.block};
let ${group.name}first = ${group.name}block + 1u + ${group.within};
let ${group.name}scale = ${wholeWord(`${name}Base + ${group.name}block`)};
let ${group.name}word = ${wholeWord(`${name}Base + ${group.name}first`)};
let ${group.name}shift = (${group.name}block & 1u) << 4u;
let ${group.name}odd = (${group.name}first & 1u) == 1u;
`,
  )
  .join('')}`
}

/** The text of a thread's loads of the row `place{at}` of K or V. */
export function quantizedLoad(
  name: 'key' | 'value',
  type: QuantizedType,
  wholeWords: boolean,
  dims: number,
  lanes: number,
  at: number,
): RowLoad {
  const { paired, groups } = groupsOf(name, type, dims, lanes)
  const loads: [string, string][] = []
  const vectors: string[] = []
  const scales: string[] = []
  groups.forEach((group, index) => {
    const own = `${name}${at}_${index}`
    const words = type === 'q8_0' && paired ? 3 : 2
    if (wholeWords) {
      loads.push([`${own}row`, `place${at} * ${name}Words`])
      loads.push([`${own}scale`, `${name}[${group.name}scale + ${own}row]`])
    } else {
      // The half that the block begins with, and the first of the elements.
      const block = `${name}Base + place${at} * params.${name}Row + ${group.block}`
      loads.push([`${own}block`, block], [`${own}first`, `${own}block + 1u + ${group.within}`])
      loads.push([`${own}scale`, `${name}[${own}block >> 1u]`])
    }
    const firstWord = wholeWords ? `${group.name}word + ${own}row` : `(${own}first >> 1u)`
    for (let word = 0; word < words; word++) {
      loads.push([`${own}word${word}`, `${name}[${firstWord} + ${word}u]`])
    }
    const odd = wholeWords ? `${group.name}odd` : `(${own}first & 1u) == 1u`
    const shift = wholeWords ? `${group.name}shift` : `((${own}block & 1u) << 4u)`
    const aligned = (word: number): string =>
      `select(${own}word${word}, (${own}word${word} >> 16u) | (${own}word${word + 1} << 16u), ${odd})`
    scales.push(`unpack2x16float(${own}scale >> ${shift}).x`)
    if (type === 'q8_0') {
      for (let word = 0; word < words - 1; word++) vectors.push(`eights(${aligned(word)})`)
    } else if (paired) {
      vectors.push(`fours(${aligned(0)})`, `fours(${aligned(0)} >> 4u)`)
    } else {
      vectors.push(`fours(${aligned(0)} >> (${group.unit} & 4u))`)
    }
  })
  return { loads, vectors, scales }
}

/**
 * WGSL of what the loads call. A small whole number in the last bits of the float 2^23 is that float plus the
 * number: less 2^23 it is exact, and no conversion of integers is needed, which GPUs do at a fourth of the rate. In
 * halves it is 2^10, and two numbers are made at once.
 *
 * @param halves - Whether the text may have float16.
 */
export function quantizedFunctions(
  types: readonly (QuantizedType | undefined)[],
  halves: boolean,
): string {
  const text = halves ? byHalves : byFloats
  return (['q8_0', 'q4_0'] as const)
    .filter((type) => types.includes(type))
    .map((type) => text[type])
    .join('\n\n')
}

const byFloats = {
  q8_0: /* wgsl */ `fn eights(word: u32) -> vec4<f32> {
  let raised = vec4<u32>(word ^ 0x80808080u) >> vec4<u32>(0u, 8u, 16u, 24u);
  return bitcast<vec4<f32>>((raised & vec4<u32>(255u)) | vec4<u32>(0x4b000000u)) - vec4<f32>(8388736.0);
}`,
  q4_0: /* wgsl */ `fn fours(word: u32) -> vec4<f32> {
  let raised = vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u);
  return bitcast<vec4<f32>>((raised & vec4<u32>(15u)) | vec4<u32>(0x4b000000u)) - vec4<f32>(8388616.0);
}`,
} as const

const byHalves = {
  q8_0: /* wgsl */ `fn eights(word: u32) -> vec4<f32> {
  let even = bitcast<vec2<f16>>((word & 0x00ff00ffu) ^ 0x64806480u) - vec2<f16>(1152.0h);
  let odd = bitcast<vec2<f16>>(((word >> 8u) & 0x00ff00ffu) ^ 0x64806480u) - vec2<f16>(1152.0h);
  return vec4<f32>(vec4<f16>(even.x, odd.x, even.y, odd.y));
}`,
  q4_0: /* wgsl */ `fn fours(word: u32) -> vec4<f32> {
  let even = bitcast<vec2<f16>>((word & 0x000f000fu) | 0x64006400u) - vec2<f16>(1032.0h);
  let odd = bitcast<vec2<f16>>(((word >> 8u) & 0x000f000fu) | 0x64006400u) - vec2<f16>(1032.0h);
  return vec4<f32>(vec4<f16>(even.x, odd.x, even.y, odd.y));
}`,
} as const
