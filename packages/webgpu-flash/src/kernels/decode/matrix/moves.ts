// Rows of keys or values on their way from their buffers to workgroup memory.

/** The tensors that are staged. */
export type StagedName = 'key' | 'value'

/** Rows on their way through registers. */
export interface Moves {
  readonly registers: string
  /** Loads them; `place` gives statements that declare `place0`, where a row of the chunk lies. */
  load(place: (row: string) => string): string
  /** Brings them to the tile. */
  readonly store: string
  /** Makes halves of them there, between barriers. Default: they are halves. */
  readonly expand?: string
}
