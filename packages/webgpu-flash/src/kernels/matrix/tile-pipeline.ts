// Which key tiles a kernel works on when it loads ahead: the present one, the next, whose keys are
// needed when the present ones have been used, and the one after it, whose keys set off early.

const runs = {
  declare: `var run = firstRun;
var endTile = 0u;
var full = false;
var nextFull = false;`,
  // The first tile from `name` on that a run of the block map has.
  seek: (
    name: string,
    full: string,
    visits: string,
  ): string => `while (${name} >= endTile && run < endRun) {
  let start = blockMap[params.mapRunsBase + 2u * run];
  let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
  endTile = min(start + (packed >> 1u), params.keyTileEnd);
  ${full} = (packed & 1u) == 1u;
  ${name} = max(start, params.keyTileBegin);
  run++;
}
${visits} = ${name} < endTile;`,
}

/**
 * Declares the tiles: `keyTile` and `nextTile`, whether they are (`visits`, `visitsNext`), and
 * whether the mask lets all of them through (`full`, `nextFull`).
 */
export function firstTiles(blockMap: boolean): string {
  if (!blockMap) {
    return `let endTile = min((keyCount + tileKeys - 1u) / tileKeys, params.keyTileEnd);
var keyTile = params.keyTileBegin;
var nextTile = keyTile + 1u;
var visits = keyTile < endTile;
var visitsNext = nextTile < endTile;
var full = keyTile * tileKeys + tileKeys <= keyCount;`
  }
  return `${runs.declare}
var keyTile = 0u;
var visits = false;
${runs.seek('keyTile', 'nextFull', 'visits')}
full = nextFull;
var nextTile = keyTile + 1u;
var visitsNext = false;
${runs.seek('nextTile', 'nextFull', 'visitsNext')}`
}

/** Finds `laterTile`, the one after the next. */
export function advanceTiles(blockMap: boolean): string {
  if (!blockMap) return `let laterTile = nextTile + 1u;\nlet visitsLater = laterTile < endTile;`
  return `var laterTile = nextTile + 1u;
var laterFull = nextFull;
var visitsLater = false;
${runs.seek('laterTile', 'laterFull', 'visitsLater')}`
}

/** Moves on by one. */
export function nextTile(blockMap: boolean): string {
  return `keyTile = nextTile;
nextTile = laterTile;
visits = visitsNext;
visitsNext = visitsLater;
${blockMap ? 'full = nextFull;\nnextFull = laterFull;' : 'full = keyTile * tileKeys + tileKeys <= keyCount;'}`
}
