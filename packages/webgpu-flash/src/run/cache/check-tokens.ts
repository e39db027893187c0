// Tokens that are to be appended, checked before anything happens.
import { checkOptions, numbersOf, rangeError, shapeError, typeError } from '@attn/core'
import type { OptionNames } from '@attn/core'
import { checkTensor } from '../forward/forward-tensors.ts'
import type { CacheSizes } from './cache-buffers.ts'
import { perSequence } from './kv-cache-options.ts'
import type { CacheTokens } from './kv-cache-options.ts'

const cacheTokens: OptionNames<CacheTokens> = {
  key: true,
  value: true,
  counts: true,
  padding: true,
  depths: true,
}

/**
 * Checks tokens, and tells their rows and how many each sequence appends.
 *
 * @throws RangeError or TypeError for those that do not fit.
 */
export function checkTokens(
  caller: string,
  tokens: CacheTokens,
  { batch, kvHeads, dims, dtype }: CacheSizes,
): {
  readonly rows: number
  readonly counts: Int32Array
  readonly depths: ArrayLike<number> | undefined
} {
  checkOptions(caller, tokens, cacheTokens)
  const { key, value, counts, padding = 'right' } = tokens
  const depths = tokens.depths && numbersOf(tokens.depths)
  const rows = key?.shape?.[2] ?? 0
  checkTensor(`${caller}: key`, key, [batch, kvHeads, rows, dims.key], dtype)
  checkTensor(`${caller}: value`, value, [batch, kvHeads, rows, dims.value], dtype)
  if (rows < 1) throw rangeError(`${caller}: need at least one token, got ${rows}`)
  if (padding !== 'right' && padding !== 'left') {
    throw typeError(`${caller}: padding must be left or right, got ${String(padding)}`)
  }
  const all = perSequence(caller, 'counts', counts ?? rows, batch)
  for (const count of all) {
    if (count < 0 || count > rows) {
      throw rangeError(`${caller}: counts must lie in 0..${rows}, got ${count}`)
    }
  }
  if (depths !== undefined) checkDepths(caller, depths, rows)
  return { rows, counts: all, depths }
}

function checkDepths(caller: string, depths: ArrayLike<number>, rows: number): void {
  if (depths?.length !== rows) {
    throw shapeError(
      `${caller}: depths needs one number for each of ${rows} rows, got ${depths?.length}`,
    )
  }
  for (const depth of Array.from(depths)) {
    if (!Number.isInteger(depth) || depth < 0 || depth >= rows) {
      throw rangeError(`${caller}: depths must be integers in 0..${rows - 1}, got ${depth}`)
    }
  }
}

/**
 * Checks that a sequence can begin as another one does.
 *
 * @throws RangeError where it cannot.
 */
export function checkShare(
  caller: string,
  lengths: Int32Array,
  from: number,
  to: number,
  length: number | undefined = lengths[from],
): void {
  for (const sequence of [from, to]) {
    if (!(sequence in lengths)) {
      throw rangeError(`${caller}: sequences must lie in 0..${lengths.length - 1}, got ${sequence}`)
    }
  }
  if (from === to || lengths[to] !== 0) {
    throw rangeError(
      `${caller}: sequence ${to} must hold nothing, and not be the one that is shared, got ${lengths[to]} tokens`,
    )
  }
  if (!Number.isInteger(length) || length! < 0 || length! > lengths[from]!) {
    throw rangeError(
      `${caller}: length must lie in 0..${lengths[from]}, what sequence ${from} holds, got ${length}`,
    )
  }
}
