// Planning attention of few query rows, or of lengths known only when it runs: the tile, into how many
// parts keys are cut, and which chunks of keys a call's rows see at all.
import { elementBytes } from '../../gpu-tensor.ts'
import { blockMapRow, rangeError, withDefaults } from '@attn/core'
import type {
  AttentionShape,
  BlockMap,
  DType,
  Optional,
  ResolvedAttention,
  ScoreModifier,
} from '@attn/core'
import type { DataLayout } from '../../codegen/data-layout.ts'
import { pairwiseRules } from '../../codegen/snippets.ts'
import type { ScoreRules } from '../../codegen/snippets.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { lengthWords } from '../../kernels/decode/decode-frame.ts'
import { chooseDecodeTile, chunkKeys, decodeMemory } from './decode-tile.ts'
import type { DecodeMemory, DecodeTile } from './decode-tile.ts'
import type { Range } from '../dispatch.ts'
import type { CallLengths, Visibility } from '../visibility.ts'
import { ringWords } from './key-places.ts'
import type { KeyPlaces } from './key-places.ts'

/** Queries of a sequence up to which each key is rather read once than multiplied fast. */
export const mostDecodedQueries = 16

/** What a plan on the decode kernel has. */
export interface DecodePlan {
  readonly tile: DecodeTile
  readonly memory: DecodeMemory
  readonly rules: ScoreRules
  /** Whether key lengths and query offsets come with each call. */
  readonly lengthsPerCall: boolean
  /** Rows that share keys, and tiles of them. */
  readonly groupRows: number
  readonly rowTiles: number
  /** The most parts that keys are cut into, for which there is memory. */
  readonly mostParts: number
  readonly reason: string
}

/** What the choice depends on. */
export interface DecodeProblem {
  readonly shape: AttentionShape
  readonly dtype: DType
  readonly attention: ResolvedAttention
  readonly layout: DataLayout
  readonly scoreModifiers: readonly ScoreModifier[]
  readonly lengthsPerCall: boolean
  /** A tile to use instead of the choice, or parts of one. */
  readonly tile?: Optional<DecodeTile> | undefined
}

/** The plan, or why there is none. */
export type DecodeChoice = DecodePlan | { readonly refused: string }

/** Bytes that the results of parts may take. */
const mostScratchBytes = 2 ** 26

/** Plans for the decode kernel. */
export function planDecode(
  { shape, dtype, attention, layout, scoreModifiers, lengthsPerCall, tile: wanted }: DecodeProblem,
  capabilities: Capabilities,
): DecodeChoice {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const { limits } = capabilities
  const groupRows = (heads / kvHeads) * queryLength
  const dropout = attention.dropout !== undefined
  const chosen = chooseDecodeTile({ headDim, valueDim, rows: groupRows }, dropout, capabilities)
  if (!chosen) return { refused: 'no tile of the decode kernel fits the device' }
  const tile = withDefaults(chosen, wanted)
  const most = limits.maxComputeWorkgroupsPerDimension
  if (Math.max(queryLength, Math.ceil(groupRows / tile.rows)) > most) {
    return { refused: `rows of a head exceed maxComputeWorkgroupsPerDimension=${most}` }
  }
  const memory = decodeMemory(tile, valueDim, dropout)
  checkTile(tile, memory, capabilities)
  const rowTiles = Math.ceil(groupRows / tile.rows)
  const chunks = Math.ceil(keyLength / chunkKeys(tile))
  const aim = Math.ceil(tile.workgroups / (batch * kvHeads * rowTiles))
  const partRow = batch * heads * queryLength * (16 * Math.ceil(valueDim / 4) + 8)
  const room = Math.min(mostScratchBytes, limits.maxStorageBufferBindingSize)
  // A part has to fit into a binding, also where heads lie side by side in memory.
  const width = kvHeads * Math.max(headDim, valueDim) * elementBytes(dtype)
  const least = Math.ceil((2 * keyLength * width) / limits.maxStorageBufferBindingSize)
  const wantedParts = Math.min(Math.max(aim, least), chunks)
  const mostParts = Math.max(1, Math.min(wantedParts, Math.floor(room / partRow)))
  const shared = heads > kvHeads ? `, by the ${heads / kvHeads} heads that share it at once` : ''
  const few = queryLength <= mostDecodedQueries
  return {
    tile,
    memory,
    rules: pairwiseRules(attention.mask, scoreModifiers, layout),
    lengthsPerCall,
    groupRows,
    rowTiles,
    mostParts,
    reason: few
      ? `${queryLength === 1 ? 'one query' : `only ${queryLength} queries`} a sequence, so time is that of reading keys and values: each is read once${shared}, by up to ${mostParts} workgroups whose results are merged`
      : 'lengths come with each call, for which only this kernel is made; a plan for fixed lengths is faster for so many queries',
  }
}

function checkTile(tile: DecodeTile, { bytes }: DecodeMemory, { limits, subgroups }: Capabilities) {
  const { threads, lanes, rows, keysAhead, shuffles } = tile
  const whole = [threads, lanes, rows, keysAhead].every(
    (size) => size >= 1 && Number.isInteger(Math.log2(size)),
  )
  if (!whole || lanes > threads || (rows * keysAhead) % 4 !== 0) {
    throw rangeError('flash.plan: the sizes of the tile do not divide; see DecodeTile')
  }
  if (
    bytes > limits.maxComputeWorkgroupStorageSize ||
    threads > limits.maxComputeInvocationsPerWorkgroup
  ) {
    throw rangeError(
      `flash.plan: the tile needs ${bytes} bytes of workgroup memory and ${threads} threads, the device has maxComputeWorkgroupStorageSize=${limits.maxComputeWorkgroupStorageSize} and maxComputeInvocationsPerWorkgroup=${limits.maxComputeInvocationsPerWorkgroup}`,
    )
  }
  if (shuffles && !(subgroups && subgroups.minimum >= lanes)) {
    throw rangeError(
      `flash.plan: the tile shuffles among ${lanes} lanes, the device has subgroups of ${subgroups?.minimum ?? 0}`,
    )
  }
}

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
  { tile, mostParts }: Pick<DecodePlan, 'tile' | 'mostParts'>,
  shape: AttentionShape,
  visibility: Visibility,
  lengths: CallLengths,
  places?: KeyPlaces,
): DecodeLengths {
  const { keyLengths, queryOffsets } = lengths
  const { batch, queryLength } = shape
  const size = chunkKeys(tile)
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

/** Bytes of the buffers that parts of rows are written to. */
export function decodeScratch(
  { batch, heads, queryLength, valueDim }: AttentionShape,
  { mostParts }: Pick<DecodePlan, 'mostParts'>,
): { readonly output: number; readonly softmax: number } {
  const rows = batch * heads * queryLength * mostParts
  return mostParts > 1
    ? { output: 16 * rows * Math.ceil(valueDim / 4), softmax: 8 * rows }
    : { output: 0, softmax: 0 }
}
