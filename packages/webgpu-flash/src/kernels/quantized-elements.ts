// Single elements of quantised rows as float32, element by element times the scale: one that is infinite makes NaN of
// an element that is 0.
import type { QuantizedType } from '@attn/core'

/** Halves of a block. */
const halvesOf = { q8_0: 17, q4_0: 9 } as const

/** Halves of a row. */
export const rowHalves = (type: QuantizedType, dims: number): number => (dims / 32) * halvesOf[type]

/**
 * WGSL of `loadKey(row, vector) -> vec4<f32>` (or `loadValue`): elements `4 * vector ..` of the row that begins at the
 * half `row` of the words `key`, which may be stored four and four.
 */
export function quantizedElements(
  name: 'key' | 'value',
  type: QuantizedType,
  words: 1 | 4 = 1,
): string {
  const capital = name === 'key' ? 'Key' : 'Value'
  const elements =
    type === 'q8_0'
      ? /* wgsl */ `  let first = row + block + 1u + 2u * (vector % 8u);
  let word = raw${capital}(first) | (raw${capital}(first + 1u) << 16u);
  let codes = vec4<f32>((vec4<i32>(i32(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));`
      : /* wgsl */ `  let first = row + block + 1u + 2u * (vector % 4u);
  let word = raw${capital}(first) | (raw${capital}(first + 1u) << 16u);
  let shift = vector % 8u / 4u * 4u;
  let codes = vec4<f32>((vec4<u32>(word) >> (vec4<u32>(0u, 8u, 16u, 24u) + vec4<u32>(shift))) & vec4<u32>(15u)) - vec4<f32>(8.0);`
  return /* wgsl */ `fn raw${capital}(half: u32) -> u32 {
  return (${name}[half >> ${words === 1 ? '1u' : '3u][(half >> 1u) & 3u'}] >> ((half & 1u) << 4u)) & 0xffffu;
}

fn load${capital}(row: u32, vector: u32) -> vec4<f32> {
  let block = vector / 8u * ${halvesOf[type]}u;
${elements}
  return codes * unpack2x16float(raw${capital}(row + block)).x;
}`
}
