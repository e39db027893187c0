// The vectors that a lane holds of its rows, and their names.
import { unroll } from '../../../codegen/snippets.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { eachLaneRow } from './lane-rows.ts'

/** Vectors of a row that a lane has. */
export function laneVectors({ tile }: Pick<ForwardMatrixConfig, 'tile'>): number {
  return tile.keys / tile.lanesPerRow / 4
}

/** A line for each of a lane's vectors: row r, vector j. */
export function eachLaneVector(
  config: Pick<ForwardMatrixConfig, 'tile'>,
  line: (r: number, j: number) => string,
): string {
  return eachLaneRow(config.tile, (r) => unroll(laneVectors(config), (j) => line(r, j)))
}

/** The names of a lane's vectors in a row. */
export function laneNames(
  config: Pick<ForwardMatrixConfig, 'tile'>,
  name: string,
  r: number,
): string[] {
  return Array.from({ length: laneVectors(config) }, (_, j) => `${name}${r}_${j}`)
}
