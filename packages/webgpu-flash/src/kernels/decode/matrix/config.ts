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
