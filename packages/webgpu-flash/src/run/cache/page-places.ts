// Pages: sequences of any lengths share one supply of memory, and sequences that begin alike share the pages of
// their beginning until one of them writes to it (PagedAttention, arXiv 2309.06180).
import { checkOptions, rangeError, typeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import type { PagePlaces } from '../../plan/decode/key-places.ts'
import type { CachePlaces, PlacedAppend } from './places.ts'
import type { RowMove } from './row-mover.ts'
import { runsOf } from './saved-cache.ts'

/** A supply of pages. */
export interface PageOptions {
  /** Tokens of a page, a power of two. Default: 64. */
  readonly pageSize?: number | undefined
  /** Pages there are for all sequences. */
  readonly count: number
}

/** The account of pages. */
export interface PageAccount extends CachePlaces {
  /** Pages that no sequence has. */
  readonly free: number
  /** Lets an empty sequence begin with the first tokens of another. */
  share(from: number, to: number, length: number): void
}

const pageOptions: OptionNames<PageOptions> = { pageSize: true, count: true }

/**
 * Checks a supply of pages.
 *
 * @throws RangeError or TypeError where it makes no sense.
 */
export function checkPages(pages: PageOptions): void {
  if (typeof pages !== 'object' || pages === null) {
    throw typeError(`flash.cache: pages must be { pageSize, count }, got ${String(pages)}`)
  }
  checkOptions('flash.cache: pages', pages, pageOptions)
  const { pageSize = 64, count } = pages
  if (!Number.isInteger(pageSize) || pageSize < 1 || !Number.isInteger(Math.log2(pageSize))) {
    throw rangeError(`flash.cache: pages.pageSize must be a power of two, got ${pageSize}`)
  }
  if (!Number.isInteger(count) || count < 1) {
    throw rangeError(`flash.cache: pages.count must be a positive integer, got ${count}`)
  }
}

/** Starts the account: all pages are free. */
export function createPagePlaces(
  { pageSize = 64, count }: PageOptions,
  capacity: number,
  batch: number,
): PageAccount {
  const shift = Math.log2(pageSize)
  const tables: number[][] = Array.from({ length: batch }, () => [])
  /** How many sequences have each page. */
  const uses = new Int32Array(count)
  // The lowest numbers are taken first.
  const free = Array.from({ length: count }, (_, page) => count - 1 - page)
  const pagesOf = (length: number): number => Math.ceil(length / pageSize)
  let known: PagePlaces | undefined

  const drop = (page: number): void => {
    if (--uses[page]! === 0) free.push(page)
  }
  /** The page that a sequence would write to but does not have to itself. */
  const sharedPage = (sequence: number, length: number): number | undefined => {
    const page = length % pageSize === 0 ? undefined : tables[sequence]![length >> shift]
    return page !== undefined && uses[page]! > 1 ? page : undefined
  }
  /** Pages that appends take from the supply. */
  const needed = (lengths: Int32Array, counts: Int32Array): number => {
    // Of the sequences that share a page the last one to write needs no copy.
    const left = new Map<number, number>()
    let sum = 0
    counts.forEach((added, sequence) => {
      if (added === 0) return
      const length = lengths[sequence]!
      sum += pagesOf(length + added) - tables[sequence]!.length
      const page = sharedPage(sequence, length)
      if (page === undefined) return
      const still = left.get(page) ?? uses[page]!
      if (still > 1) sum++
      left.set(page, still - 1)
    })
    return sum
  }

  const account: PageAccount = {
    text: { kind: 'pages', pageSize },
    get free() {
      return free.length
    },
    checkAppend: (caller, lengths, counts) => {
      counts.forEach((added, sequence) => {
        if (lengths[sequence]! + added > capacity) {
          throw rangeError(
            `${caller}: sequence ${sequence} holds ${lengths[sequence]} of ${capacity} tokens, got ${added} more`,
            'ATTN_CACHE_FULL',
          )
        }
      })
      const wanted = needed(lengths, counts)
      if (wanted > free.length) {
        throw rangeError(
          `${caller}: needs ${wanted} pages of ${pageSize} tokens, of which ${free.length} are free; cache.truncate frees those of sequences that ended`,
          'ATTN_CACHE_FULL',
        )
      }
    },
    append: (lengths, counts): PlacedAppend => {
      known = undefined
      const moves = Array.from(counts, (added, sequence): RowMove[] => {
        if (added === 0) return []
        const length = lengths[sequence]!
        const table = tables[sequence]!
        const shared = sharedPage(sequence, length)
        const copies: RowMove[] = []
        if (shared !== undefined) {
          const own = take()
          const at = length >> shift
          for (let row = 0; row < length % pageSize; row++) {
            copies.push([shared * pageSize + row, own * pageSize + row])
          }
          table[at] = own
          drop(shared)
        }
        while (table.length < pagesOf(length + added)) table.push(take())
        return copies
      })
      return { moves, tables }
    },
    checkTruncate: () => undefined,
    truncate: (lengths) => {
      known = undefined
      lengths.forEach((length, sequence) => {
        for (const page of tables[sequence]!.splice(pagesOf(length))) drop(page)
      })
    },
    holds: () => true,
    row: (sequence, position) =>
      tables[sequence]![position >> shift]! * pageSize + (position & (pageSize - 1)),
    savedRuns: (lengths) =>
      Array.from(lengths, (length, sequence) =>
        runsOf((position) => account.row(sequence, position), length),
      ),
    checkRestore: (caller, lengths) => {
      const wanted = lengths.reduce((sum, length) => sum + pagesOf(length), 0)
      if (wanted > count) {
        throw rangeError(`${caller}: needs ${wanted} pages of ${pageSize} tokens, got ${count}`)
      }
    },
    restore: (lengths) => {
      account.truncate(new Int32Array(batch))
      account.append(new Int32Array(batch), lengths)
    },
    inputs: () =>
      (known ??= { kind: 'pages', pageSize, tables: tables.map((pages) => [...pages]) }),
    share: (from, to, length) => {
      known = undefined
      const pages = tables[from]!.slice(0, pagesOf(length))
      for (const page of pages) uses[page]!++
      tables[to] = pages
    },
  }
  return account

  function take(): number {
    const page = free.pop()!
    uses[page] = 1
    return page
  }
}
