// Packing: several documents share one sequence and do not see one another. FlashAttention's varlen
// functions, xformers' BlockDiagonalMask and FlexAttention's document masks do the same.
import { coordinate, integerTable, numbersOf, rangeError, shapeError } from '@attn/core'
import type { IntegerList } from '@attn/core'
import { checkIntegers } from '../check.ts'
import { pattern } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/** Numbers for one sequence, or a list of them for each sequence of the batch. */
export type PerSequence = IntegerList | readonly IntegerList[]

/** How documents lie in a sequence: their lengths in order, or the document of each position. */
export type DocumentLayout = { readonly lengths: PerSequence } | { readonly ids: PerSequence }

/**
 * S_i = {j : document(j) = document(i)}, in both directions; `and(causal(), sameDocument(...))` for
 * language models.
 *
 * @param layout - `lengths`: tokens of each document in order, their sum the sequence length.
 *   `ids`: a whole number for each position; equal numbers are one document, which need not be in one
 *   piece, and a negative one marks padding, which sees nothing and is not seen. Either may be a
 *   list for each sequence of the batch. Positions past the end belong with the last one.
 * @throws RangeError for numbers that are not whole, empty layouts, or sequences that differ in
 *   length.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { sameDocument } from '@attn/masks'
 * const { expression } = sameDocument({ lengths: [2, 3] })
 * const keys = [0, 1, 2, 3, 4]
 * keys.filter((key) => evaluate(expression, { batch: 0, query: 3, key })) // => [2, 3, 4]
 * ```
 */
export function sameDocument(layout: DocumentLayout): Pattern {
  const sequences = 'lengths' in layout ? idsFromLengths(layout.lengths) : idsOf(layout.ids)
  const [first] = sequences
  if (!first || first.length === 0) throw rangeError('sameDocument: need at least one position')
  const length = first.length
  const other = sequences.findIndex((ids) => ids.length !== length)
  if (other >= 0) {
    throw shapeError(
      `sameDocument: every sequence needs the same length, got ${length} and ${sequences[other]!.length}`,
    )
  }
  const values = new Int32Array(sequences.length * length)
  sequences.forEach((ids, index) => values.set(ids, index * length))
  const documents =
    sequences.length === 1
      ? integerTable('documents', values)
      : integerTable('documents', values, [sequences.length, length])
  const batch = sequences.length === 1 ? [] : [coordinate('batch')]
  return pattern('document', ({ query, key }) => {
    const same = documents.at(...batch, key).eq(documents.at(...batch, query))
    return values.some((id) => id < 0) ? same.and(documents.at(...batch, key).ge(0)) : same
  })
}

/**
 * The name that `sameDocument` had, which hides a page's own `document`.
 *
 * @deprecated Write `sameDocument`.
 *
 * @example
 * ```ts
 * import { document as packed, sameDocument } from '@attn/masks'
 * packed({ lengths: [2, 3] }).name === sameDocument({ lengths: [2, 3] }).name // => true
 * ```
 */
export const document = (layout: DocumentLayout): Pattern => sameDocument(layout)

function lists(values: PerSequence): readonly ArrayLike<number>[] {
  const sequences =
    typeof values[0] === 'object' ? (values as readonly IntegerList[]) : [values as IntegerList]
  return sequences.map(numbersOf)
}

function idsOf(ids: PerSequence): readonly ArrayLike<number>[] {
  const sequences = lists(ids)
  for (const sequence of sequences) checkIntegers('sameDocument', 'ids', sequence, -(2 ** 31))
  return sequences
}

function idsFromLengths(lengths: PerSequence): readonly Int32Array[] {
  return lists(lengths).map((sequence) => {
    checkIntegers('sameDocument', 'lengths', sequence, 0)
    const sizes = Array.from(sequence)
    const ids = new Int32Array(sizes.reduce((total, size) => total + size, 0))
    let start = 0
    sizes.forEach((size, index) => ids.fill(index, start, (start += size)))
    return ids
  })
}
