// Which tokens stand in the slots of a tile: as they come, or in an order of their own (a token order, whose
// functions the kernel then has). Everything else of the kernel counts slots; rows of tensors, positions and
// what is visible are of tokens.
import type { ForwardMatrixConfig } from './config.ts'

type Config = Pick<ForwardMatrixConfig, 'tokens'>

/** Text of the token in a slot of queries; past the last query it may be any number beyond. */
export function queryTokenAt({ tokens }: Config, slot: string): string {
  return tokens === undefined ? slot : `queryToken(${slot})`
}

/** The same of keys. */
export function keyTokenAt({ tokens }: Config, slot: string): string {
  return tokens === undefined ? slot : `keyToken(${slot})`
}

/** Text of the slot of a row of the subgroup's. */
export function querySlot({ tile }: Pick<ForwardMatrixConfig, 'tile'>, row: string): string {
  return `firstQuery + subgroup * ${tile.rowBlocks * tile.matrix.rows}u + ${row}`
}

/** Text of the arguments that name a pair to a function of the expressions, from its tokens. */
export function pairOf(query: string, key: string): string {
  return `i32(batch), i32(head), queryOffset + i32(${query}), i32(${query}), i32(${key})`
}
