// Which tiles of visited tokens a kernel works on when it loads ahead: the present one, the next, which
// is in workgroup memory already, and the later one, which is on its way there.

const runs = {
  declare: `let mapRow = params.mapBase + mapPlane(batch, head) + rowTile;
let endRun = data[mapRow + 1u];
var run = data[mapRow];
var endTile = 0u;
var full = false;
var nextFull = false;`,
  // The first tile from `name` on that a run of the block map has.
  seek: (
    name: string,
    full: string,
    visits: string,
  ): string => `while (${name} >= endTile && run < endRun) {
  let start = data[params.mapRunsBase + 2u * run];
  let packed = data[params.mapRunsBase + 2u * run + 1u];
  endTile = min(start + (packed >> 1u), params.columnTileEnd);
  ${full} = (packed & 1u) == 1u;
  ${name} = max(start, params.columnTileBegin);
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
export function firstTiles(blockMap: boolean, full: string): string {
  if (!blockMap) {
    return `var columnTile = params.columnTileBegin;
var nextTile = columnTile + 1u;
var visits = columnTile < params.columnTileEnd;
var visitsNext = nextTile < params.columnTileEnd;
var full = ${full};`
  }
  return `${runs.declare}
var columnTile = 0u;
var visits = false;
${runs.seek('columnTile', 'full', 'visits')}
nextFull = full;
var nextTile = columnTile + 1u;
var visitsNext = false;
${runs.seek('nextTile', 'nextFull', 'visitsNext')}`
}

/** Finds `laterTile`, the one after the next. */
export function laterTile(blockMap: boolean): string {
  if (!blockMap) {
    return `let laterTile = nextTile + 1u;\nlet visitsLater = laterTile < params.columnTileEnd;`
  }
  return `var laterTile = nextTile + 1u;
var laterFull = nextFull;
var visitsLater = false;
${runs.seek('laterTile', 'laterFull', 'visitsLater')}`
}

/** Moves on by one. */
export function nextTile(blockMap: boolean, full: string): string {
  return `columnTile = nextTile;
nextTile = laterTile;
visits = visitsNext;
visitsNext = visitsLater;
${blockMap ? 'full = nextFull;\nnextFull = laterFull;' : `full = ${full};`}`
}
