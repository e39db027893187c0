// A trained model in a file, small enough for a page to load: float16 is precise enough to evaluate with.
import { typeError } from '@attn/core'
import { checkLabConfiguration } from '../configuration.ts'
import type { LabConfiguration } from '../configuration.ts'
import type { TrainedModel } from '../evaluation.ts'
import { decodeArrays, encodeArrays } from './arrays.ts'
import type { ArrayPrecision } from './arrays.ts'

/** A model and the text it knows. */
export interface StoredModel extends TrainedModel {
  /** The text it was trained on, by its name and SHA-256. */
  readonly text: { readonly name: string; readonly digest: string }
  /** The characters that tokens stand for, in their order. */
  readonly characters: readonly string[]
}

/**
 * A model as bytes.
 *
 * @param precision - Default: float16.
 */
export function encodeModel(
  { configuration, text, characters, weights }: StoredModel,
  precision: ArrayPrecision = 'float16',
): Uint8Array<ArrayBuffer> {
  return encodeArrays({ configuration, text, characters }, weights, precision)
}

/**
 * Reads what {@link encodeModel} made.
 *
 * @throws TypeError for anything else; RangeError for a configuration that makes no sense.
 */
export function decodeModel(bytes: Uint8Array): StoredModel {
  const { about, arrays } = decodeArrays(bytes)
  const { configuration, text, characters } = about as {
    configuration?: LabConfiguration
    text?: StoredModel['text']
    characters?: string[]
  }
  if (!configuration || !text || !Array.isArray(characters)) {
    throw typeError('decodeModel: the file holds no model')
  }
  checkLabConfiguration('decodeModel', configuration)
  return { configuration, text, characters, vocabulary: characters.length, weights: arrays }
}
