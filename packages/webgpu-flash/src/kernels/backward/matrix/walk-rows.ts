// The course of a workgroup's rows: what it begins with, the walk over the tiles that they meet, and the loop over these.
import { indent } from '../../../codegen/snippets.ts'
import { pairWeights } from './pairs.ts'
import { addSums, scoreProducts, startSums } from './products.ts'
import { lanesWork, ownInVisited } from './roles.ts'
import type { GradientMatrixConfig } from './roles.ts'
import { stageOwnRows, visitedStaging } from './staging.ts'
import { beginSums, holdsSums } from './held-sums.ts'
import type { Rows } from './sum-steps.ts'
import { firstVisits, laterTile, nextTile, visitFirst, where } from './tile-walk.ts'
import type { SentRows } from './rows-on-their-way.ts'

/** Loads what a workgroup begins with, all of it before any is waited for, and moves it on to matrices. */
export function begin(
  config: GradientMatrixConfig,
  rows: Rows,
  visited: SentRows = { loads: '', moves: '' },
): string {
  const own = stageOwnRows(config)
  const moves = ownInVisited(config)
    ? [own.moves, visited.moves === '' ? '' : 'workgroupBarrier();', visited.moves]
    : [visited.moves, own.moves]
  return [own.loads, beginSums(config, rows), visited.loads, ...moves, startSums(config)]
    .filter((text) => text !== '')
    .join('\n')
}

/**
 * Whether the first tile that rows meet sets off beside them, and what comes after it while they move on: under one head,
 * where they meet few tiles, as in a pass that goes on with sums. On an NVIDIA H200 passes that meet more are slower so.
 */
export const startsEarly = (config: GradientMatrixConfig): boolean =>
  holdsSums(config) && (config.rowTokens === 'queries' || !config.grouped)

/** A workgroup's rows under one head. */
export function beginAndWalk(config: GradientMatrixConfig, rows: Rows, full: string): string {
  if (!startsEarly(config)) return `${begin(config, rows)}\n${walk(config, full)}`
  return `${begin(config, rows, firstVisits(config, visitedStaging(config), full))}
workgroupBarrier();
${tiles(config, full)}`
}

/** The tiles that meet the rows, for one head. */
export function walk(config: GradientMatrixConfig, full: string): string {
  return `${visitFirst(config, visitedStaging(config), full)}
${tiles(config, full)}`
}

/** The same from the first tile on, which is in memory, while the next is on its way. */
function tiles(config: GradientMatrixConfig, full: string): string {
  const staging = visitedStaging(config)
  return `${scoreProducts(config, '0u')}
${tileLoop(
  config,
  (place, otherPlace) => `workgroupBarrier();
${staging.store(otherPlace)}
${laterTile(config)}
${where('visitsLater', staging.fetch('laterTile'))}
${pairWeights(lanesWork(config), place)}
workgroupBarrier();
${addSums(config, place)}
${scoreProducts(config, otherPlace)}
${nextTile(config, full)}`,
)}`
}

/** Runs `body` for every tile, whose visited rows lie at two places in turn. */
function tileLoop(
  { tile }: GradientMatrixConfig,
  body: (place: string, otherPlace: string) => string,
): string {
  if (tile.unrolled) {
    return `while (visits) {
  {
${indent(body('0u', '1u'), 4)}
  }
  if (visits) {
${indent(body('1u', '0u'), 4)}
  }
}`
  }
  return `var place = 0u;
while (visits) {
  let otherPlace = 1u - place;
${indent(body('place', 'otherPlace'), 2)}
  place = otherPlace;
}`
}
