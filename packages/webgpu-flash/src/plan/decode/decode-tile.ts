// How the decode kernel spreads its work over a workgroup: threads that share a key, keys and query
// rows a thread has in registers at once, and the workgroup memory that this takes.
import type { Capabilities } from '../../device/capabilities.ts'
import { isSoftware } from '../../device/software.ts'

/** One way to spread the work. All powers of two. */
export interface DecodeTile {
  readonly threads: number
  /** Threads that share a key, each with some of its dims. */
  readonly lanes: number
  /** Query rows of a workgroup: of all heads that share the keys. */
  readonly rows: number
  /** Keys a thread loads before it waits for the first; `rows * keysAhead` is a multiple of 4. */
  readonly keysAhead: number
  /** Workgroups to aim at: a call's keys are cut into as many ranges as that takes. */
  readonly workgroups: number
  /** Whether threads that share a key add up by shuffles in a subgroup. */
  readonly shuffles: boolean
  /** Whether the next keys are loaded while these are computed with. */
  readonly loadsAhead: boolean
}

/** Keys that a workgroup takes at a time. */
export function chunkKeys({ threads, lanes, keysAhead }: DecodeTile): number {
  return (threads / lanes) * keysAhead
}

/** Vectors of 4 dims that each of the threads of a key has. */
export function laneVectors(dims: number, lanes: number): number {
  return Math.ceil(Math.ceil(dims / 4) / lanes)
}

/** Where everything lies in workgroup memory: vectors of 4 float32, and single ones. */
export interface DecodeMemory {
  /** Vectors between neighbouring threads: an odd number, so that they meet different banks. */
  readonly stride: number
  readonly vectors: number
  /** Scores of a chunk, or maxima and sums of the threads that share a key. */
  readonly scalars: number
  /** Which of them says that the workgroup has to compute with care; see kernels/careful.ts. */
  readonly care: number
  readonly bytes: number
}

/** Lays out a workgroup's memory. */
export function decodeMemory(tile: DecodeTile, valueDim: number, dropout: boolean): DecodeMemory {
  const { threads, lanes, rows, keysAhead, shuffles } = tile
  const scoreVectors = (rows * keysAhead) / 4
  const stride = scoreVectors % 2 === 0 ? scoreVectors + 1 : scoreVectors
  const slots = threads / lanes
  const vectors = threads * Math.max(shuffles ? 0 : stride, laneVectors(valueDim, lanes))
  // Dropout has a factor beside each score.
  const scores = shuffles ? 0 : slots * rows * keysAhead * (dropout ? 2 : 1)
  const care = Math.max(scores, 2 * slots * rows)
  const scalars = care + 1
  return { stride, vectors, scalars, care, bytes: 16 * vectors + 4 * scalars }
}

const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, least)))

/**
 * The tile for these sizes, by what was fastest on an NVIDIA H200; undefined where none fits the device.
 *
 * @param rows - Query rows that share keys: H / Hkv times L.
 */
export function chooseDecodeTile(
  { headDim, valueDim, rows }: { headDim: number; valueDim: number; rows: number },
  dropout: boolean,
  capabilities: Pick<Capabilities, 'limits' | 'subgroups' | 'adapter'>,
): DecodeTile | undefined {
  const { limits, subgroups } = capabilities
  const widest = Math.max(headDim, valueDim)
  // Two vectors a thread: 16 bytes of float16 at once, and few threads to add up.
  const lanes = Math.min(32, powerOfTwo(Math.ceil(widest / 8)))
  // A software adapter compiles a mask for each score that a thread finishes, of which it gets few.
  const fewest = isSoftware(capabilities) ? lanes : 8
  const most = Math.min(fewest, Math.max(1, 8 / powerOfTwo(laneVectors(widest, lanes))))
  // Registers of wide heads are rather for rows that share a key than for keys to come.
  const wide = widest > 256
  const tileRows = Math.min(wide ? 4 : most, powerOfTwo(rows))
  const shared = {
    lanes,
    rows: tileRows,
    keysAhead: wide && tileRows > 1 ? 2 : 4,
    // As many as run at once: more of them would only leave more parts to merge.
    workgroups: 512,
    shuffles: subgroups !== undefined && subgroups.minimum >= lanes,
    // Shuffles wait for nobody: what is loaded ahead arrives while the threads of a key add up.
    loadsAhead:
      !wide && !isSoftware(capabilities) && subgroups !== undefined && subgroups.minimum >= lanes,
  }
  return [128, 64, 32]
    .map((threads): DecodeTile => ({ ...shared, threads: Math.max(threads, lanes) }))
    .find(
      (tile) =>
        decodeMemory(tile, valueDim, dropout).bytes <= limits.maxComputeWorkgroupStorageSize &&
        tile.threads <= limits.maxComputeInvocationsPerWorkgroup,
    )
}
