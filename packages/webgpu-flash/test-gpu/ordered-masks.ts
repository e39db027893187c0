// Masks that propose orders of their tokens, for tests.
import { mask } from '@attn/core'
import type { Mask, OrderProposal } from '@attn/core'

/** A mask with the orders that it proposes. */
export const proposing = (whole: Mask, ...orders: readonly OrderProposal[]): Mask => ({
  ...whole,
  orders,
})

/** The last l keys, and every l-th before (Sparse Transformer, arXiv 1904.10509). */
export const strided = (l: number): Mask =>
  proposing(
    mask('strided', ({ query, key }) =>
      key
        .le(query)
        .and(key.ge(query.sub(l)))
        .or(key.le(query).and(query.sub(key).mod(l).eq(0))),
    ),
    { kind: 'residues', stride: l },
  )
/** Every l-th key. */
export const column = (l: number): Mask =>
  proposing(
    mask('column', ({ query, key }) => query.sub(key).mod(l).eq(0)),
    { kind: 'residues', stride: l },
  )
/** The block of l that a query is in, and the last c keys of each block before. */
export const fixed = (l: number, c: number): Mask =>
  proposing(
    mask('fixed', ({ query, key }) =>
      key.le(query).and(
        query
          .floorDiv(l)
          .eq(key.floorDiv(l))
          .or(key.mod(l).ge(l - c)),
      ),
    ),
    { kind: 'periodicKeys', period: l, first: l - c, count: c },
  )
