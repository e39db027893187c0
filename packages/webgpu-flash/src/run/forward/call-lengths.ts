// The lengths of a call, where these come with it: how many keys count, and where its queries stand.
import { rangeError, resolveOptions, slice } from '@attn/core'
import type { AttentionShape } from '@attn/core'
import { heldKeys } from '../../plan/decode/key-places.ts'
import type { KeyPlaces } from '../../plan/decode/key-places.ts'
import type { Call } from '../../plan/call.ts'
import { appendedOffsets } from '../cache/appended-tokens.ts'
import type { ForwardInputs } from './forward-tensors.ts'

/** The lengths of a call, resolved: one of each sequence. */
export interface CallLengths {
  readonly keyLengths: Int32Array
  readonly queryOffsets: Int32Array
}

/**
 * Resolves a call's lengths; undefined where they are the plan's.
 *
 * @throws RangeError where they are missing, out of range or not for the call to give.
 */
export function callLengths(
  caller: string,
  { shape, lengthsPerCall, rope }: Call,
  inputs: ForwardInputs,
): CallLengths | undefined {
  const { keyLengths, queryOffset, places, keysTurned } = inputs
  if (!lengthsPerCall) {
    for (const [name, given] of Object.entries({ keyLengths, queryOffset, places })) {
      if (given !== undefined) {
        throw rangeError(
          `${caller}: ${name} belongs to the plan, got one for the call; plan with lengths: 'call'`,
        )
      }
    }
    return undefined
  }
  if (keyLengths === undefined) {
    throw rangeError(`${caller}: a plan with lengths: 'call' needs keyLengths, got none`)
  }
  if (keysTurned && rope?.key) {
    throw rangeError(
      `${caller}: the cache turned its keys as they came, and the plan would turn them once more; plan with rope: { query }`,
    )
  }
  if (inputs.quantized?.key && rope?.key) {
    throw rangeError(
      `${caller}: quantised keys are not turned when they are read; flash.cache({ rope }) turns them before`,
    )
  }
  const lengths = typeof keyLengths === 'number' ? filled(keyLengths, shape.batch) : keyLengths
  const offsets = queryOffset === undefined ? {} : { queryOffset }
  const held = { ...shape, keyLength: mostKeys(shape, inputs) }
  const resolved = resolveOptions(caller, held, { keyLengths: lengths, ...offsets })
  if (places) checkPlaces(caller, places, resolved)
  return resolved
}

/** Keys that a sequence may have. */
function mostKeys(shape: AttentionShape, inputs: ForwardInputs): number {
  const { places } = inputs
  if (places?.kind === 'ring') return 2 ** 31 - 1
  return places ? shape.keyLength : heldKeys(shape, inputs)
}

/** Checks that the keys are there: pages for all, and of a ring what the queries may see. */
function checkPlaces(
  caller: string,
  places: KeyPlaces,
  { keyLengths, queryOffsets }: CallLengths,
): void {
  if (places.kind === 'pages') {
    keyLengths.forEach((length, sequence) => {
      const held = (places.tables[sequence]?.length ?? 0) * places.pageSize
      if (length > held) {
        throw rangeError(
          `${caller}: the pages of sequence ${sequence} hold ${held} tokens, got keyLengths ${length}`,
        )
      }
    })
    return
  }
  queryOffsets.forEach((offset, sequence) => {
    const needed = offset - places.window + 1
    const oldest = places.oldest[sequence]!
    if (oldest > places.sinks && needed < oldest) {
      throw rangeError(
        `${caller}: a query at position ${offset} sees keys from position ${Math.max(needed, places.sinks)} on, of which the ring has lost those before ${oldest}; append fewer tokens at a time, or make the cache with a larger capacity`,
      )
    }
  })
}

/**
 * The inputs of a call over a cache in the words of its plan: with as many keys as that is for at most (a
 * cache that has grown since has more rows, which may not count), and queries where its tokens stand.
 *
 * @throws RangeError where the cache cannot tell where the queries stand.
 */
export function inputsOfCall<Inputs extends ForwardInputs>(
  caller: string,
  { shape, lengthsPerCall }: Call,
  inputs: Inputs,
): Inputs {
  if (!lengthsPerCall) return inputs
  const { key, value, appended, places } = inputs
  const offset = inputs.queryOffset ?? (appended && appendedOffsets(caller, shape, appended))
  const rows = key?.shape?.[2] ?? 0
  const grown = !places && rows > shape.keyLength && value?.shape?.[2] === rows
  const { appended: _told, ...rest } = inputs
  return {
    ...(inputs.queryOffset === undefined ? inputs : (rest as Inputs)),
    ...(offset === undefined ? {} : { queryOffset: offset }),
    ...(grown
      ? {
          key: slice(key, 2, 0, shape.keyLength),
          value: slice(value, 2, 0, shape.keyLength),
        }
      : {}),
  }
}

const filled = (value: number, count: number): number[] =>
  Array.from({ length: count }, () => value)
