// What DeepSpeed's sparse attention configurations have in common (github.com/deepspeedai/DeepSpeed,
// deepspeed/ops/sparse_attention). Parameters keep DeepSpeed's own names, so that a configuration
// can be pasted.
import { mask, rangeError, shapeError, typeError } from '@attn/core'
import type { BooleanExpression, Coordinates, IntegerExpression, Mask } from '@attn/core'
import { checkInteger, checkIntegers } from '../../check.ts'
import { patternOf } from '../../pattern.ts'
import type { Pattern } from '../../pattern.ts'
import { drawSubsets } from '../../random/draw.ts'
import { isOneOf, membership } from '../../sets.ts'

/** Parameters of every configuration. */
export interface DeepSpeedOptions {
  /** Tokens in the sequence, a multiple of `block` (DeepSpeed's `make_layout(seq_len)`). */
  readonly seq_len: number
  /** Query heads. */
  readonly num_heads: number
  /** Tokens in a block. Default: 16. */
  readonly block?: number | undefined
  /** Whether heads differ where the configuration lets them. Default: false. */
  readonly different_layout_per_head?: boolean | undefined
}

/** Whether tokens see later tokens. */
export type DeepSpeedAttention = 'unidirectional' | 'bidirectional'

/** Which blocks are global. */
export interface DeepSpeedGlobalBlocks {
  /** Global blocks, or where ranges of them start. Default: [0]. */
  readonly global_block_indices?: readonly number[] | undefined
  /** Where the ranges end, exclusive. Default: each index is one block. */
  readonly global_block_end_indices?: readonly number[] | null | undefined
}

/** Checked common parameters. */
export interface Layout {
  readonly caller: string
  readonly block: number
  readonly blocks: number
  /** Heads that have layouts of their own. */
  readonly heads: number
  readonly unidirectional: boolean
}

/** Checks the common parameters and works out the number of blocks. */
export function layoutOf(
  caller: string,
  options: DeepSpeedOptions,
  attention: DeepSpeedAttention,
): Layout {
  const { seq_len, num_heads, block = 16, different_layout_per_head = false } = options
  for (const [name, value] of Object.entries({ seq_len, num_heads, block })) {
    checkInteger(caller, name, value, 1)
  }
  if (seq_len % block !== 0) {
    throw shapeError(`${caller}: seq_len must be a multiple of block ${block}, got ${seq_len}`)
  }
  if (attention !== 'unidirectional' && attention !== 'bidirectional') {
    throw typeError(
      `${caller}: attention must be 'unidirectional' or 'bidirectional', got ${String(attention)}`,
    )
  }
  return {
    caller,
    block,
    blocks: seq_len / block,
    heads: different_layout_per_head ? num_heads : 1,
    unidirectional: attention === 'unidirectional',
  }
}

/** A part of a layout over the blocks of query and key. */
export type BlockPart = (at: {
  readonly head: IntegerExpression
  readonly query: IntegerExpression
  readonly key: IntegerExpression
}) => BooleanExpression

/**
 * The pattern of named parts over blocks. A unidirectional one hides every later token; DeepSpeed's
 * layouts do so by block only, and leak the rest of the diagonal block unless a mask is added.
 */
export function blockPattern(layout: Layout, parts: Readonly<Record<string, BlockPart>>): Pattern {
  const { block, unidirectional } = layout
  const build =
    (part: BlockPart) =>
    ({ head, query, key }: Coordinates): BooleanExpression => {
      const visible = part({ head, query: query.floorDiv(block), key: key.floorDiv(block) })
      return unidirectional ? key.le(query).and(visible) : visible
    }
  const components: readonly Mask[] = Object.entries(parts).map(([name, part]) =>
    mask(name, build(part)),
  )
  return patternOf(layout.caller, components)
}

/** Blocks at most half a window away. */
export function slidingBlocks({ caller, blocks }: Layout, windowBlocks: number): BlockPart {
  checkInteger(caller, 'num_sliding_window_blocks', windowBlocks, 1)
  if (windowBlocks > blocks) {
    throw rangeError(
      `${caller}: num_sliding_window_blocks must not exceed the ${blocks} blocks, got ${windowBlocks}`,
    )
  }
  const reach = Math.floor(windowBlocks / 2)
  return ({ query, key }) => key.sub(query).abs().le(reach)
}

/** The global blocks below `blocks`, checked. */
export function globalBlocksOf(
  { caller, blocks }: Layout,
  { global_block_indices = [0], global_block_end_indices = null }: DeepSpeedGlobalBlocks,
): readonly number[] {
  checkIntegers(caller, 'global_block_indices', global_block_indices, 0)
  const ends = global_block_end_indices ?? global_block_indices.map((start) => start + 1)
  checkIntegers(caller, 'global_block_end_indices', ends, 1)
  if (ends.length !== global_block_indices.length) {
    throw shapeError(
      `${caller}: global_block_end_indices needs as many entries as global_block_indices, got ${ends.length} and ${global_block_indices.length}`,
    )
  }
  return global_block_indices.flatMap((start, index) => {
    const end = ends[index]!
    if (end <= start) {
      throw rangeError(
        `${caller}: global_block_end_indices must lie after their starts, got ${start} and ${end}`,
      )
    }
    return Array.from({ length: end - start }, (_, place) => start + place).filter(
      (block) => block < blocks,
    )
  })
}

/** Global blocks as columns, and as rows if asked for; no parts where no block is global. */
export function globalParts(
  name: string,
  positions: readonly number[],
  rows: boolean,
): Readonly<Record<string, BlockPart>> {
  if (positions.length === 0) return {}
  const isGlobal = isOneOf(name, positions)
  const columns: Record<string, BlockPart> = { globalKeys: ({ key }) => isGlobal(key) }
  return rows ? { ...columns, globalQueries: ({ query }) => isGlobal(query) } : columns
}

/**
 * Random blocks, seeded. A unidirectional layout draws only from the blocks up to the query's own,
 * all of them where there are too few; DeepSpeed's Variable draws from later blocks too, and its
 * BigBird fails with a ValueError.
 */
export function randomParts(
  layout: Layout,
  count: number,
  seed: number,
): Readonly<Record<string, BlockPart>> {
  const { caller, blocks, heads, unidirectional } = layout
  checkInteger(caller, 'num_random_blocks', count, 0)
  checkInteger(caller, 'seed', seed, 0)
  if (count > blocks) {
    throw rangeError(
      `${caller}: num_random_blocks must not exceed the ${blocks} blocks, got ${count}`,
    )
  }
  if (count === 0) return {}
  const candidates = (row: number): { limit: number; without: [] } => ({
    limit: unidirectional ? row + 1 : blocks,
    without: [],
  })
  const drawn = membership(caller, drawSubsets({ rows: blocks, heads, seed, count, candidates }))
  return {
    random: ({ head, query, key }) =>
      drawn(heads === 1 ? query : head.mod(heads).mul(blocks).add(query), key),
  }
}
