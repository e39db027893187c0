// Which elements of a subgroup's tile a lane works on between two products: WGSL's matrices are opaque,
// so scores cross workgroup memory, and there any lane may take any row. Lanes of a row are neighbours
// and take its vectors in turn; a lane with several rows has them a fixed step apart.
import { unroll } from '../../../codegen/snippets.ts'

/** A tile of a subgroup as its lanes share it: `rows` = lanes / lanesPerRow * rowsPerLane. */
export interface LaneRows {
  readonly subgroupSize: number
  /** A power of two. */
  readonly lanesPerRow: number
  readonly rowsPerLane: number
}

/** Rows between neighbouring ones of a lane. */
export function rowStep({ subgroupSize, lanesPerRow }: LaneRows): number {
  return subgroupSize / lanesPerRow
}

/** One line for each row of a lane. */
export function eachLaneRow({ rowsPerLane }: LaneRows, line: (r: number) => string): string {
  return unroll(rowsPerLane, line)
}

/** Declares `ownRow{r}`, rows of the subgroup's tile, and `part`, a lane's number among those of a row. */
export function declareLaneRows(lanes: LaneRows): string {
  const first = `lane / ${lanes.lanesPerRow}u`
  return `let part = lane % ${lanes.lanesPerRow}u;
${eachLaneRow(lanes, (r) => `let ownRow${r} = ${r === 0 ? first : `ownRow0 + ${r * rowStep(lanes)}u`};`)}`
}

/** Text of the number of a lane's vector j within a row of vectors. */
export function laneVector({ lanesPerRow }: LaneRows, j: number): string {
  return j === 0 ? 'part' : `part + ${j * lanesPerRow}u`
}

/** How far element k of a lane's vector j is past the first element of its first vector. */
export function pastFirst({ lanesPerRow }: LaneRows, j: number, k: number): number {
  return 4 * lanesPerRow * j + k
}

/** Exchanges between the lanes of a row. */
export function shuffles({ lanesPerRow }: LaneRows, line: (step: number) => string): string {
  const steps = [1, 2, 4, 8, 16, 32, 64].filter((step) => step < lanesPerRow)
  return steps.map(line).join('\n')
}
