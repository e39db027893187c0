// The lengths of a call as the decode kernels read them: which chunks of keys its rows see at all, and in how many
// parts they are taken.
import { blockMapRow } from '@attn/core'
import type { AttentionShape, BlockMap } from '@attn/core'
import { lengthWords } from '../../kernels/decode/decode-frame.ts'
import type { Range } from '../dispatch.ts'
import type { CallLengths, Visibility } from '../visibility.ts'
import type { DecodeSpread } from './decode-spread.ts'
import { ringWords } from './key-places.ts'
import type { KeyPlaces } from './key-places.ts'

/** The lengths of a call, as the kernel reads them. */
export interface DecodeLengths {
  readonly words: Uint32Array<ArrayBuffer>
  /** Parts of the keys, and chunks of each. */
  readonly parts: number
  readonly partChunks: number
  /** Chunks that some row of a key head sees, over all sequences. */
  readonly visited: number
  /** Words of each sequence, which come first. */
  readonly sequenceWords: number
  /** Whether a chunk's keys may lie in any rows. */
  readonly anyRow: boolean
}

/**
 * Finds the chunks of keys that the rows of a call see, and cuts them into parts.
 *
 * @param lengths - Key counts and query offsets of the sequences.
 * @param places - Where keys lie. Default: at the rows of their positions.
 */
export function decodeLengths(
  { chunkKeys: size, mostParts }: Pick<DecodeSpread, 'chunkKeys' | 'mostParts'>,
  shape: AttentionShape,
  visibility: Visibility,
  lengths: CallLengths,
  places?: KeyPlaces,
): DecodeLengths {
  const { keyLengths, queryOffsets } = lengths
  const { batch, queryLength } = shape
  // All of a ring is walked over: what has left the window has left the ring, or will soon.
  const map =
    places?.kind === 'ring'
      ? undefined
      : visibility.blockMapOf(lengths, { queryBlockSize: queryLength, keyBlockSize: size })
  const seen = map && seenChunks(map, batch)
  const sequenceWords = lengthWords(places)
  const head = new Uint32Array(sequenceWords * batch)
  const lists: number[] = []
  const list = (words: Iterable<number>): number => {
    const start = head.length + lists.length
    for (const word of words) lists.push(word)
    return start
  }
  const placeWords = (sequence: number): readonly number[] => {
    if (!places) return []
    if (places.kind === 'ring') return ringWords(places, sequence, keyLengths[sequence]!)
    return [list(places.tables[sequence]!)]
  }
  let most = 0
  let visited = 0
  for (let sequence = 0; sequence < batch; sequence++) {
    const walked = places?.kind === 'ring' ? places.held[sequence]! : keyLengths[sequence]!
    const runs = seen?.[sequence] ?? [{ start: 0, end: Math.ceil(walked / size) }]
    const count = runs.reduce((sum, { start, end }) => sum + end - start, 0)
    const chunks = runs.length > 1 ? list(runs.flatMap(numbers)) : 0
    head.set(
      [
        queryOffsets[sequence]!,
        keyLengths[sequence]!,
        count,
        runs[0]?.start ?? 0,
        chunks,
        ...placeWords(sequence),
      ],
      sequenceWords * sequence,
    )
    most = Math.max(most, count)
    visited += count
  }
  const words = new Uint32Array(head.length + lists.length)
  words.set(head)
  words.set(lists, head.length)
  const partChunks = Math.max(1, Math.ceil(most / mostParts))
  const parts = Math.max(1, Math.ceil(most / partChunks))
  const anyRow = places?.kind === 'pages'
  return { words, parts, partChunks, visited, sequenceWords, anyRow }
}

const numbers = ({ start, end }: Range): number[] =>
  Array.from({ length: end - start }, (_, index) => start + index)

/** The chunks from the first to the last of some parts, over some sequences. */
export function partRange(
  { words, partChunks, sequenceWords }: DecodeLengths,
  batches: Range,
  parts: Range,
): Range {
  let [start, end] = [Infinity, 0]
  for (let sequence = batches.start; sequence < batches.end; sequence++) {
    const [, , count, first, list] = words.subarray(sequenceWords * sequence) as unknown as number[]
    const from = parts.start * partChunks
    const to = Math.min(parts.end * partChunks, count!)
    if (from >= to) continue
    const chunk = (at: number): number => (list! > 0 ? words[list! + at]! : first! + at)
    start = Math.min(start, chunk(from))
    end = Math.max(end, chunk(to - 1) + 1)
  }
  return start < end ? { start, end } : { start: 0, end: 1 }
}

interface Run {
  start: number
  end: number
}

/** For each sequence the runs of chunks that any head sees. */
function seenChunks(map: BlockMap, batch: number): Run[][] {
  const ofSequence = (sequence: number): Run[] => {
    const runs = Array.from({ length: map.heads }, (_, head) =>
      blockMapRow(map, sequence, head, 0).map(({ start, end }) => ({ start, end })),
    )
      .flat()
      .sort((a, b) => a.start - b.start)
    const joined: Run[] = []
    for (const run of runs) {
      const last = joined.at(-1)
      if (last && run.start <= last.end) last.end = Math.max(last.end, run.end)
      else joined.push(run)
    }
    return joined
  }
  if (map.batch === 1) {
    const shared = ofSequence(0)
    return Array.from({ length: batch }, () => shared)
  }
  return Array.from({ length: batch }, (_, sequence) => ofSequence(sequence))
}
