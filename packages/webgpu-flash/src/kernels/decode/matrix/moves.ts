// Rows of keys or values on their way from their buffers to workgroup memory.

/** The tensors that are staged. */
export type StagedName = 'key' | 'value'

/** Rows of a chunk on their way through registers. */
export interface Moves {
  readonly registers: string
  /** Loads them; `place` gives statements that declare `place0`, where a row of the chunk lies. */
  load(place: (row: string) => string): string
  /** Brings them to the tile. */
  readonly store: string
}

/** What makes halves of blocks in the tile. */
export interface BlockMoves {
  /** Reads them from the tile, which then may be overwritten. */
  readonly read: string
  /** Stores them as halves. */
  readonly expand: string
}

/** A register of rows on their way, of each of the chunks that are. */
export const register = (name: StagedName, slot: number, turn: number): string =>
  `${name}Next${slot}${turn === 0 ? '' : `_${turn}`}`
