// All that decides the text of the decode kernel on products of signed bytes.
import type {
  BlockTypes,
  DecodeIntegersMemory,
  DecodeIntegersTile,
} from '../../../plan/decode/decode-integers-tile.ts'
import type { DecodeConfig } from '../decode-config.ts'

/** All that decides the text of the kernel. */
export interface DecodeIntegersConfig extends Omit<DecodeConfig, 'tile' | 'memory'> {
  readonly tile: DecodeIntegersTile
  readonly memory: DecodeIntegersMemory
  readonly types: BlockTypes
}
