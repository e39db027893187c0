// Single elements of quantised rows as float32, for the keys and values that a workgroup has to go over with care:
// element by element, since a scale that is infinite makes NaN of an element that is 0.
import type { QuantizedType } from '@attn/core'

/** Halves of a block. */
const halvesOf = { q8_0: 17, q4_0: 9 } as const

/** `fn loadKey(row, vector) -> vec4<f32>`: elements `4 * vector ..` of the row that begins at \`row\`. */
export function quantizedElements(
  name: 'key' | 'value',
  type: QuantizedType,
  words: 1 | 2 | 4,
): string {
  const capital = name === 'key' ? 'Key' : 'Value'
  const word =
    words === 1
      ? `${name}[row + half / 2u]`
      : `${name}[row + half / ${2 * words}u][half / 2u % ${words}u]`
  const elements =
    type === 'q8_0'
      ? /* wgsl */ `  let first = block + 1u + 2u * (vector % 8u);
  let word = raw${capital}(row, first) | (raw${capital}(row, first + 1u) << 16u);
  let codes = vec4<f32>((vec4<i32>(i32(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));`
      : /* wgsl */ `  let first = block + 1u + 2u * (vector % 4u);
  let word = raw${capital}(row, first) | (raw${capital}(row, first + 1u) << 16u);
  let shift = vector % 8u / 4u * 4u;
  let codes = vec4<f32>((vec4<u32>(word) >> (vec4<u32>(0u, 8u, 16u, 24u) + vec4<u32>(shift))) & vec4<u32>(15u)) - vec4<f32>(8.0);`
  return /* wgsl */ `fn raw${capital}(row: u32, half: u32) -> u32 {
  return (${word} >> (half % 2u * 16u)) & 0xffffu;
}

fn load${capital}(row: u32, vector: u32) -> vec4<f32> {
  let block = vector / 8u * ${halvesOf[type]}u;
${elements}
  return codes * unpack2x16float(raw${capital}(row, block)).x;
}`
}
