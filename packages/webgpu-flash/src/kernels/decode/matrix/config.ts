// All that decides the text of the decode kernel on subgroup matrices.
import type {
  DecodeMatrixMemory,
  DecodeMatrixTile,
} from '../../../plan/decode/decode-matrix-tile.ts'
import type { DecodeConfig } from '../decode-config.ts'

/** All that decides the text of the kernel. */
export interface DecodeMatrixConfig extends Omit<DecodeConfig, 'tile' | 'memory'> {
  readonly tile: DecodeMatrixTile
  readonly memory: DecodeMatrixMemory
}

/** Whether anything is quantised. */
export function expands({ key, value }: DecodeMatrixConfig): boolean {
  return key.quantized !== undefined || value.quantized !== undefined
}

/**
 * How many chunks are on their way while one is worked on. A chunk of blocks is so small that one does not keep an NVIDIA
 * H200 busy: with two, one query over q4_0 takes an eighth less, four queries over either type a twentieth.
 */
export function chunksAhead({ key, value }: DecodeMatrixConfig): number {
  return key.quantized !== undefined && value.quantized !== undefined ? 2 : 1
}
