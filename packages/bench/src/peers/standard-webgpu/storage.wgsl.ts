// Four neighbouring elements of a storage buffer as one vec4f, whatever their type. float16 is
// unpacked from 32-bit words, which every device can do, `shader-f16` or not.
import type { DType } from '@attn/core'

/** Bytes of one element. */
export function bytesOf(dtype: DType): number {
  return dtype === 'float32' ? 4 : 2
}

/** WGSL type of four stored elements. */
export function quadType(dtype: DType): string {
  return dtype === 'float32' ? 'vec4f' : 'vec2u'
}

/** WGSL functions `unpackQuad(stored) -> vec4f` and `packQuad(vec4f) -> stored`. */
export function quadConversions(dtype: DType): string {
  return dtype === 'float32'
    ? /* wgsl */ `fn unpackQuad(stored: vec4f) -> vec4f { return stored; }
fn packQuad(values: vec4f) -> vec4f { return values; }`
    : /* wgsl */ `fn unpackQuad(stored: vec2u) -> vec4f {
  return vec4f(unpack2x16float(stored.x), unpack2x16float(stored.y));
}
fn packQuad(values: vec4f) -> vec2u {
  return vec2u(pack2x16float(values.xy), pack2x16float(values.zw));
}`
}
