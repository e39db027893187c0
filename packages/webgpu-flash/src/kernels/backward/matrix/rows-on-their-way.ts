// Rows on their way from buffers to workgroup memory or to matrices, as texts.

/** Texts that load rows, and that move them on. */
export interface SentRows {
  readonly loads: string
  readonly moves: string
}

/** The texts that move visited rows. */
export interface VisitedStaging {
  /** Declares the registers they pass through. */
  readonly registers: string
  /** Loads those of a tile into the registers. */
  fetch(tile: string): string
  /** Moves the registers to one of the two places in workgroup memory. */
  store(place: string): string
}
