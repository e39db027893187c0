// How a kernel reads and writes tensors: which element type lies in the buffer, and whether four
// neighbours can be moved at once. Everything is float32 once it has been read.
import { capitalized } from './snippets.ts'
import type { DType } from '@attn/core'

/** One tensor's storage as a kernel sees it. */
export interface Access {
  readonly dtype: DType
  /**
   * Whether four elements along dim move as one: dim is contiguous and a multiple of 4, and every
   * stride and the offset are multiples of 4. Offsets and strides are then counted in fours.
   */
  readonly vector: boolean
  /** Whether the device computes with f16 (`shader-f16`); without, halves are unpacked by bits. */
  readonly nativeFloat16: boolean
  /**
   * Whether eight halves move as one, as the words that they are: all is a multiple of 8. Offsets and
   * strides are counted in fours all the same. Default: false.
   */
  readonly wide?: boolean
}

/** Whether two elements share a word: kernels then write both at once. */
export function isPackedInWords(dtype: DType, nativeFloat16: boolean): boolean {
  return dtype === 'bfloat16' || (dtype === 'float16' && !nativeFloat16)
}

/** Elements between rows of so many, each of which begins on a word. */
export function packedRow(dtype: DType, dims: number, nativeFloat16: boolean): number {
  return isPackedInWords(dtype, nativeFloat16) ? Math.ceil(dims / 2) * 2 : dims
}

/** Whether the text of a kernel with such an access needs `enable f16`. */
export function usesFloat16({ dtype, nativeFloat16 }: Access): boolean {
  return dtype === 'float16' && nativeFloat16
}

/** The WGSL element type of the buffer. */
export function storageType(access: Access): string {
  if (access.dtype === 'float32') return access.vector ? 'vec4<f32>' : 'f32'
  if (access.wide) return 'vec4<u32>'
  if (usesFloat16(access)) return access.vector ? 'vec4<f16>' : 'f16'
  return access.vector ? 'vec2<u32>' : 'u32'
}

/** Name of the function that loads one vector of a tensor. */
const loader = (name: string): string => `load${capitalized(name)}`

/**
 * `fn loadName(base, vector) -> vec4<f32>`: elements `4 * vector ..` of the row that begins at
 * `base`, 0 beyond `dims`. Reads `params.<name>Dim` where dim is strided.
 */
export function loadFunction(name: string, access: Access, dims: number): string {
  const signature = `fn ${loader(name)}(base: u32, vector: u32) -> vec4<f32>`
  if (access.wide) {
    return `${signature} {
  let words = ${name}[(base + vector) >> 1u];
  return vec4<f32>(bitcast<vec4<f16>>(select(words.xy, words.zw, ((base + vector) & 1u) == 1u)));
}`
  }
  if (access.vector) {
    return `${signature} {\n  return ${convertVector(access, `${name}[base + vector]`)};\n}`
  }
  const lines = [0, 1, 2, 3].map((lane) => {
    const index = `base + (4u * vector + ${lane}u) * params.${name}Dim`
    const read = `result.${'xyzw'[lane]} = ${scalarText(name, access, index)};`
    // Lanes past the last dim exist only where dims is not a multiple of 4.
    return `  if (4u * vector + ${lane}u < ${dims}u) { ${read} }`
  })
  return [
    `${signature} {`,
    '  var result = vec4<f32>(0.0);',
    ...lines,
    '  return result;',
    '}',
  ].join('\n')
}

/** Four elements as they are read (of a `vector` access) as vec4<f32>. */
export function convertVector(access: Access, text: string): string {
  if (access.dtype === 'float32') return text
  if (usesFloat16(access)) return `vec4<f32>(${text})`
  return access.dtype === 'bfloat16' ? `widenHalves(${text})` : `unpackHalves(${text})`
}

function scalarText(name: string, access: Access, index: string): string {
  if (access.dtype === 'float32') return `${name}[${index}]`
  if (usesFloat16(access)) return `f32(${name}[${index}])`
  return `${access.dtype === 'bfloat16' ? 'widenHalf' : 'unpackHalf'}(${name}[(${index}) >> 1u], ${index})`
}

/**
 * `fn storeName(base, vector, value)`: writes elements `4 * vector ..` of the row at `base`, those
 * below `dims`.
 */
export function storeFunction(name: string, access: Access, dims: number): string {
  const signature = `fn store${capitalized(name)}(base: u32, vector: u32, value: vec4<f32>)`
  const pack = access.dtype === 'bfloat16' ? 'narrowPair' : 'packHalves'
  const packed = `vec2<u32>(${pack}(value.xy), ${pack}(value.zw))`
  if (access.vector) {
    const value =
      access.dtype === 'float32' ? 'value' : usesFloat16(access) ? 'vec4<f16>(value)' : packed
    return `${signature} {\n  ${name}[base + vector] = ${value};\n}`
  }
  if (isPackedInWords(access.dtype, access.nativeFloat16)) {
    // Two halves share a word, so rows are laid out to begin on one (see `outputTensor`).
    return [
      `${signature} {`,
      `  let place = (base + 4u * vector) >> 1u;`,
      `  if (4u * vector < ${dims}u) { ${name}[place] = ${pack}(value.xy); }`,
      `  if (4u * vector + 2u < ${dims}u) { ${name}[place + 1u] = ${pack}(value.zw); }`,
      '}',
    ].join('\n')
  }
  const convert = access.dtype === 'float16' ? 'f16' : ''
  const lines = [0, 1, 2, 3].map((lane) => {
    const element = convert ? `${convert}(value.${'xyzw'[lane]})` : `value.${'xyzw'[lane]}`
    return `  if (4u * vector + ${lane}u < ${dims}u) { ${name}[base + (4u * vector + ${lane}u) * params.${name}Dim] = ${element}; }`
  })
  return [`${signature} {`, ...lines, '}'].join('\n')
}

/** Functions that accesses without `shader-f16` call to unpack and to pack, or nothing. */
export function unpackFunctions(accesses: readonly Access[]): string {
  const packed = accesses.some((access) => access.dtype === 'float16' && !usesFloat16(access))
  const narrow = accesses.some(({ dtype }) => dtype === 'bfloat16')
  return [packed ? unpackFloat16 : '', narrow ? convertBfloat16 : '']
    .filter((text) => text !== '')
    .join('\n\n')
}

/**
 * Of what is beyond 65504, the largest half, WGSL lets `pack2x16float` make anything, and SwiftShader makes NaN, and
 * something else of its neighbour in the word: so it is not asked. From 65520 on, which rounds up, a half is infinite,
 * and below it is the largest.
 */
const unpackFloat16: string = /* wgsl */ `fn unpackHalves(words: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn unpackHalf(word: u32, index: u32) -> f32 {
  let both = unpack2x16float(word);
  return select(both.x, both.y, (index & 1u) == 1u);
}

fn packHalves(values: vec2<f32>) -> u32 {
  let bits = bitcast<vec2<u32>>(values);
  let size = bits & vec2<u32>(0x7fffffffu);
  let beyond = size > vec2<u32>(0x477fe000u);
  let largest = select(vec2<u32>(0x7bffu), vec2<u32>(0x7c00u), size >= vec2<u32>(0x477ff000u));
  let strange = select(largest, vec2<u32>(0x7e00u), size > vec2<u32>(0x7f800000u));
  let packed = pack2x16float(select(values, vec2<f32>(0.0), beyond));
  let signs = (bits >> vec2<u32>(16u)) & vec2<u32>(0x8000u);
  let halves = select(vec2<u32>(packed & 0xffffu, packed >> 16u), signs | strange, beyond);
  return halves.x | (halves.y << 16u);
}`

/** A bfloat16 is the upper half of a float32; to store one rounds to nearest, ties to even, and keeps NaN. */
const convertBfloat16: string = /* wgsl */ `fn widenPair(word: u32) -> vec2<f32> {
  return bitcast<vec2<f32>>(vec2<u32>(word << 16u, word & 0xffff0000u));
}

fn widenHalves(words: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(widenPair(words.x), widenPair(words.y));
}

fn widenHalf(word: u32, index: u32) -> f32 {
  let both = widenPair(word);
  return select(both.x, both.y, (index & 1u) == 1u);
}

fn narrowPair(values: vec2<f32>) -> u32 {
  let bits = bitcast<vec2<u32>>(values);
  let rounded = bits + vec2<u32>(0x7fffu) + ((bits >> vec2<u32>(16u)) & vec2<u32>(1u));
  let strange = (bits & vec2<u32>(0x7fffffffu)) > vec2<u32>(0x7f800000u);
  let halves = select(rounded, bits | vec2<u32>(0x400000u), strange) >> vec2<u32>(16u);
  return halves.x | (halves.y << 16u);
}`

/** Two elements of a word, where they are packed in words. */
export function pairText({ dtype }: Access, word: string): string {
  return `${dtype === 'bfloat16' ? 'widenPair' : 'unpack2x16float'}(${word})`
}
