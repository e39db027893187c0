// How the decode kernel reads keys and values, and what the loads of a row come to.
import type { QuantizedType } from '@attn/core'
import type { Access } from '../../codegen/access.ts'

/** How keys and values are read: `wide` loads eight halves at once. */
export interface DecodeAccess extends Access {
  readonly wide: boolean
  /** Set where rows are blocks; offset and strides then count halves. Default: they are not. */
  readonly quantized?: QuantizedType | undefined
  /** Whether each of these rows begins on a whole word. Default: false. */
  readonly wholeWords?: boolean
  /** Halves that are loaded as one, in which offset and strides are counted. Default: as `wide` and `vector` say. */
  readonly atOnce?: number
}

/** A thread's part of one row of K or V: how it is loaded, and its vectors as vec4<f32>. */
export interface RowLoad {
  /** Names of registers, and the text that loads each. */
  readonly loads: readonly (readonly [name: string, text: string])[]
  readonly vectors: readonly string[]
  /** What vectors are to be multiplied by, as many in a row as divide them evenly. Default: nothing. */
  readonly scales?: readonly string[]
}
