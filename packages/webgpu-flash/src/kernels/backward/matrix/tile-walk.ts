// Which tiles of visited tokens a kernel works on when it loads ahead: the present one, the next, which
// is in workgroup memory already, and the later one, which is on its way there.
import { indent } from '../../../codegen/snippets.ts'
import { columnsFrom } from '../backward-frame.ts'
import type { WalkConfig } from '../backward-frame.ts'
import type { SentRows, VisitedStaging } from './rows-on-their-way.ts'

const runs = {
  declare: `let mapRow = params.mapBase + mapPlane(batch, head) + rowTile;
let endRun = data[mapRow + 1u];
var run = data[mapRow];
var endTile = 0u;
var full = false;
var nextFull = false;`,
  // The first tile from `name` on that a run of the block map has.
  seek: (
    own: string,
    name: string,
    full: string,
    visits: string,
  ): string => `while (${name} >= endTile && run < endRun) {
  let start = data[params.mapRunsBase + 2u * run];
  let packed = data[params.mapRunsBase + 2u * run + 1u];
  endTile = min(start + (packed >> 1u), ${own}columnTileEnd);
  ${full} = (packed & 1u) == 1u;
  ${name} = max(start, ${own}columnTileBegin);
  run++;
}
${visits} = ${name} < endTile;`,
}

/**
 * Declares the tiles `columnTile` and `nextTile`, whether they are (`visits`, `visitsNext`), and whether
 * every pair of them is visible (`full`).
 *
 * @param full - Text of that for `columnTile`, where there is no block map.
 */
function firstTiles({ blockMap, inParts }: WalkConfig, full: string): string {
  const own = columnsFrom(inParts)
  if (!blockMap) {
    return `var columnTile = ${own}columnTileBegin;
var nextTile = columnTile + 1u;
var visits = columnTile < ${own}columnTileEnd;
var visitsNext = nextTile < ${own}columnTileEnd;
var full = ${full};`
  }
  return `${runs.declare}
var columnTile = 0u;
var visits = false;
${runs.seek(own, 'columnTile', 'full', 'visits')}
nextFull = full;
var nextTile = columnTile + 1u;
var visitsNext = false;
${runs.seek(own, 'nextTile', 'nextFull', 'visitsNext')}`
}

/** Text that is run under a condition. */
export const where = (condition: string, text: string): string =>
  `if (${condition}) {\n${indent(text, 2)}\n}`

/** The first tile on its way to workgroup memory and the next sent for, in two texts beside which others load and move. */
export function firstVisits(config: WalkConfig, staging: VisitedStaging, full: string): SentRows {
  return {
    loads: `${firstTiles(config, full)}
${staging.registers}
${where('visits', staging.fetch('columnTile'))}`,
    moves: `${where('visits', staging.store('0u'))}
${where('visitsNext', staging.fetch('nextTile'))}`,
  }
}

/** The same by itself; the first tile is in memory then. */
export function visitFirst(config: WalkConfig, staging: VisitedStaging, full: string): string {
  return `${firstTiles(config, full)}
${staging.registers}
workgroupBarrier();
${where('visits', `${staging.fetch('columnTile')}\n${staging.store('0u')}`)}
${where('visitsNext', staging.fetch('nextTile'))}
workgroupBarrier();`
}

/** Finds `laterTile`, the one after the next. */
export function laterTile({ blockMap, inParts }: WalkConfig): string {
  const own = columnsFrom(inParts)
  if (!blockMap) {
    return `let laterTile = nextTile + 1u;\nlet visitsLater = laterTile < ${own}columnTileEnd;`
  }
  return `var laterTile = nextTile + 1u;
var laterFull = nextFull;
var visitsLater = false;
${runs.seek(own, 'laterTile', 'laterFull', 'visitsLater')}`
}

/** Moves on by one. */
export function nextTile({ blockMap }: WalkConfig, full: string): string {
  return `columnTile = nextTile;
nextTile = laterTile;
visits = visitsNext;
visitsNext = visitsLater;
${blockMap ? 'full = nextFull;\nnextFull = laterFull;' : `full = ${full};`}`
}
