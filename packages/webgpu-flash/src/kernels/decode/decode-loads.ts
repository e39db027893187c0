// How a thread of the decode kernel reads its part of a row of K or V: 16 bytes at a time where the
// tensor lies so that it can. The threads of a key read neighbouring places.
import { convertVector, pairText } from '../../codegen/access.ts'
import { laneVectors } from '../../plan/decode/decode-tile.ts'
import type { DecodeAccess, RowLoad } from './decode-access.ts'
import { partLoad, partPlaces, partsOf } from './block-parts.ts'
import { quantizedLoad, quantizedPlaces, quantizedVector } from './quantized-loads.ts'

/** Which of a row's vectors a thread has: neighbours in pairs, where it has pairs. */
export function vectorText(
  { quantized }: Pick<DecodeAccess, 'quantized'>,
  count: number,
  index: number,
  lanes: number,
): string {
  if (quantized) return quantizedVector(quantized, count, index, lanes)
  return count % 2 === 0
    ? `2u * (lane + ${(index >> 1) * lanes}u) + ${index & 1}u`
    : `lane + ${index * lanes}u`
}

/** Statements that find a thread's place in a row, once for all rows. */
export function rowPlaces(
  name: 'key' | 'value',
  access: DecodeAccess,
  dims: number,
  lanes: number,
): string {
  const parts = partsOf(access, dims, lanes)
  return parts ? partPlaces(name, parts) : quantizedPlaces(name, access, dims, lanes)
}

/** The text of a thread's loads of the row `place{at}` of K or V. */
export function rowLoad(
  name: 'key' | 'value',
  access: DecodeAccess,
  dims: number,
  lanes: number,
  at: number,
): RowLoad {
  if (access.quantized) {
    const parts = partsOf(access, dims, lanes)
    return parts
      ? partLoad(name, parts, at)
      : quantizedLoad(name, access.quantized, access.wholeWords === true, dims, lanes, at)
  }
  const count = laneVectors(dims, lanes)
  const total = Math.ceil(dims / 4)
  const clamp = (place: string, size: number, own: number): string =>
    own * lanes > size ? `min(${place}, ${size - 1}u)` : place
  const base = `${name}Base + place${at} * params.${name}Row`
  if (access.wide) {
    const pairs = count / 2
    return {
      loads: Array.from({ length: pairs }, (_, i) => {
        const unit = clamp(`lane + ${i * lanes}u`, dims / 8, pairs)
        return [`${name}${at}_${i}`, `${name}[${base} + ${unit}]`] as const
      }),
      vectors: Array.from({ length: count }, (_, i) => {
        const [a, b] = (i & 1) === 0 ? ['x', 'y'] : ['z', 'w']
        const words = `${name}${at}_${i >> 1}`
        return `vec4<f32>(${pairText(access, `${words}.${a}`)}, ${pairText(access, `${words}.${b}`)})`
      }),
    }
  }
  const capital = name === 'key' ? 'loadKey' : 'loadValue'
  return {
    loads: Array.from({ length: count }, (_, i) => {
      const vector = clamp(vectorText(access, count, i, lanes), total, count)
      const text = access.vector ? `${name}[${base} + ${vector}]` : `${capital}(${base}, ${vector})`
      return [`${name}${at}_${i}`, text] as const
    }),
    vectors: Array.from({ length: count }, (_, i) => {
      const text = `${name}${at}_${i}`
      return access.vector ? convertVector(access, text) : text
    }),
  }
}
