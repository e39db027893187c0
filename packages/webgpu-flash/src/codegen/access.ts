// How a kernel reads and writes tensors: which element type lies in the buffer, and whether four
// neighbours can be moved at once. Everything is float32 once it has been read.
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
  return dtype === 'float16' && !nativeFloat16
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
  if (access.nativeFloat16) return access.vector ? 'vec4<f16>' : 'f16'
  return access.vector ? 'vec2<u32>' : 'u32'
}

/** Name of the function that loads one vector of a tensor. */
const loader = (name: string): string => `load${name[0]!.toUpperCase()}${name.slice(1)}`

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
  if (access.nativeFloat16) return `vec4<f32>(${text})`
  return `unpackHalves(${text})`
}

function scalarText(name: string, access: Access, index: string): string {
  if (access.dtype === 'float32') return `${name}[${index}]`
  if (access.nativeFloat16) return `f32(${name}[${index}])`
  return `unpackHalf(${name}[(${index}) >> 1u], ${index})`
}

/**
 * `fn storeName(base, vector, value)`: writes elements `4 * vector ..` of the row at `base`, those
 * below `dims`.
 */
export function storeFunction(name: string, access: Access, dims: number): string {
  const signature = `fn store${name[0]!.toUpperCase()}${name.slice(1)}(base: u32, vector: u32, value: vec4<f32>)`
  const packed = 'vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw))'
  if (access.vector) {
    const value =
      access.dtype === 'float32' ? 'value' : access.nativeFloat16 ? 'vec4<f16>(value)' : packed
    return `${signature} {\n  ${name}[base + vector] = ${value};\n}`
  }
  if (access.dtype === 'float16' && !access.nativeFloat16) {
    // Two halves share a word, so rows are laid out to begin on one (see `outputTensor`).
    return [
      `${signature} {`,
      `  let place = (base + 4u * vector) >> 1u;`,
      `  if (4u * vector < ${dims}u) { ${name}[place] = pack2x16float(value.xy); }`,
      `  if (4u * vector + 2u < ${dims}u) { ${name}[place + 1u] = pack2x16float(value.zw); }`,
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

/** Unpacking functions that accesses without `shader-f16` call, or nothing. */
export function unpackFunctions(accesses: readonly Access[]): string {
  const packed = accesses.some((access) => access.dtype === 'float16' && !access.nativeFloat16)
  if (!packed) return ''
  return /* wgsl */ `fn unpackHalves(words: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn unpackHalf(word: u32, index: u32) -> f32 {
  let both = unpack2x16float(word);
  return select(both.x, both.y, (index & 1u) == 1u);
}`
}
