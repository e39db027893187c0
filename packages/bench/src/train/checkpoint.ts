// A training run in a file, from which it goes on: one line of JSON that says what follows, then all
// numbers as little-endian float32. Batches, dropout and the rate depend on the step alone, so that
// nothing else has to be kept.
import { typeError } from '@attn/core'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { checkConfiguration } from './configuration.ts'
import type { TrainingConfiguration } from './configuration.ts'
import { trainingSpecifications } from './positions.ts'
import type { StateNumbers } from './state.ts'

/** What a file of {@link writeCheckpoint} holds. */
export interface Checkpoint {
  readonly configuration: TrainingConfiguration
  /** The text it was trained on, by its SHA-256. */
  readonly textDigest: string
  /** Characters of the text. */
  readonly vocabulary: number
  /** Loss of each step so far. */
  readonly losses: readonly number[]
  readonly state: StateNumbers
}

interface Header extends Omit<Checkpoint, 'state'> {
  readonly schema: 'attn-train-checkpoint/1'
  readonly step: number
}

const parts = ['weights', 'first', 'second'] as const

/** A checkpoint as bytes. */
export function encodeCheckpoint({ state, ...rest }: Checkpoint): Uint8Array {
  const header: Header = { schema: 'attn-train-checkpoint/1', step: state.step, ...rest }
  const line = new TextEncoder().encode(`${JSON.stringify(header)}\n`)
  const arrays = parts.flatMap((part) => state[part])
  const count = arrays.reduce((sum, { length }) => sum + length, 0)
  const bytes = new Uint8Array(line.length + 4 * count)
  bytes.set(line)
  const view = new DataView(bytes.buffer)
  let place = line.length
  for (const numbers of arrays) {
    for (const number of numbers) {
      view.setFloat32(place, number, true)
      place += 4
    }
  }
  return bytes
}

/**
 * Reads what {@link encodeCheckpoint} made, bit by bit the same.
 *
 * @throws TypeError for anything else; RangeError for a configuration that makes no sense.
 */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const end = bytes.indexOf(10)
  const header = parseHeader(new TextDecoder().decode(bytes.subarray(0, Math.max(end, 0))))
  const { schema: _, step, ...rest } = header
  checkConfiguration(rest.configuration)
  const counts = trainingSpecifications(rest.configuration, rest.vocabulary).map(({ shape }) =>
    shape.reduce((product, size) => product * size, 1),
  )
  const total = counts.reduce((sum, count) => sum + count, 0)
  const present = (bytes.length - end - 1) / 4
  if (present !== parts.length * total) {
    throw typeError(
      `decodeCheckpoint: expected ${parts.length * total} numbers after the first line, got ${present}`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + end + 1)
  let place = 0
  const read = (): Float32Array<ArrayBuffer>[] =>
    counts.map((count) =>
      Float32Array.from({ length: count }, () => view.getFloat32(4 * place++, true)),
    )
  return { ...rest, state: { step, weights: read(), first: read(), second: read() } }
}

function parseHeader(line: string): Header {
  let header: Partial<Header> | null
  try {
    header = JSON.parse(line) as Partial<Header> | null
  } catch (error) {
    throw typeError('decodeCheckpoint: the first line must be JSON', 'ATTN_TYPE', { cause: error })
  }
  if (header?.schema !== 'attn-train-checkpoint/1') {
    throw typeError(
      `decodeCheckpoint: schema must be attn-train-checkpoint/1, got ${String(header?.schema)}`,
    )
  }
  const { configuration, textDigest, vocabulary, losses, step } = header
  const missing = Object.entries({ configuration, textDigest, vocabulary, losses, step })
    .filter(([, part]) => part === undefined)
    .map(([name]) => name)
  if (missing.length > 0) {
    throw typeError(`decodeCheckpoint: the first line lacks ${missing.join(', ')}`)
  }
  return header as Header
}

/** Writes a checkpoint; a file of that name is replaced only when the new one is complete. */
export function writeCheckpoint(file: string, checkpoint: Checkpoint): void {
  writeFileSync(`${file}.partial`, encodeCheckpoint(checkpoint))
  renameSync(`${file}.partial`, file)
}

/**
 * Reads a file of {@link writeCheckpoint}.
 *
 * @throws TypeError when it holds something else.
 */
export function readCheckpoint(file: string): Checkpoint {
  return decodeCheckpoint(readFileSync(file))
}
