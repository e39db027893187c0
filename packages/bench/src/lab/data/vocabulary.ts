// The characters of a text as tokens.
import { rangeError } from '@attn/core'

/** The characters of a text in the order of their codes; a token is a place in it. */
export type Vocabulary = readonly string[]

/** The distinct characters of a text. */
export function vocabularyOf(text: string): Vocabulary {
  return [...new Set(text)].toSorted((left, right) => left.codePointAt(0)! - right.codePointAt(0)!)
}

/**
 * A text as places in a vocabulary.
 *
 * @throws RangeError for a character that is not in it.
 */
export function encode(text: string, vocabulary: Vocabulary): Uint16Array {
  const places = new Map(vocabulary.map((character, place) => [character, place]))
  return Uint16Array.from(text as Iterable<string>, (character: string) => {
    const place = places.get(character)
    if (place === undefined) {
      throw rangeError(`encode: the vocabulary has no ${JSON.stringify(character)}`)
    }
    return place
  })
}
