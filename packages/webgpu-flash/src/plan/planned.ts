// What every plan has, whatever kernel it is for.
import type { Call } from './call.ts'
import type { TileOrigin, TunedTiles } from './tuning.ts'

/** A plan of a call. */
export interface Planned {
  readonly call: Call
  /** Where the kernel and its tile come from. */
  readonly origin: TileOrigin
  /** What was measured on this device for calls like this one. */
  readonly tuned: TunedTiles
}

/** Why a kernel does not compute a call. */
export interface Refusal {
  readonly refused: string
}
