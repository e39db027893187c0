// Which key tiles a kernel works on when it loads ahead: the present one, the next, whose keys are
// needed when the present ones have been used, and the one after it, whose keys set off early.

/** Texts of a loop over key tiles; `keyTile` and `full` are those of the present one. */
export interface TilePipeline {
  /** Declares the tiles, and whether they are: `keyTile`, `visits`, `nextTile`, `visitsNext`. */
  readonly first: string
  /** Declares `laterTile` and `visitsLater`. */
  readonly later: string
  /** Moves on by one. */
  readonly advance: string
}

// Without a block map all tiles are visited. Conditions are comparisons of the tile's number, which
// compilers understand; where all tiles are full, with one that is the same for the whole dispatch.
const dense = (wholeTiles: boolean): TilePipeline => ({
  first: `let endTile = ${wholeTiles ? 'params.keyTileEnd' : 'min((keyCount + tileKeys - 1u) / tileKeys, params.keyTileEnd)'};
var keyTile = params.keyTileBegin;
var nextTile = keyTile + 1u;
var visits = keyTile < endTile;
var visitsNext = nextTile < endTile;`,
  later: `${wholeTiles ? '' : 'let full = keyTile * tileKeys + tileKeys <= keyCount;\n'}let laterTile = keyTile + 2u;
visitsNext = keyTile + 1u < endTile;
let visitsLater = laterTile < endTile;`,
  advance: `keyTile++;
nextTile = keyTile + 1u;
visits = keyTile < endTile;`,
})

// The first tile from `name` on that a run of the block map has.
const seek = (
  name: string,
  full: string,
  visits: string,
): string => `while (${name} >= runEnd && run < endRun) {
  let start = blockMap[params.mapRunsBase + 2u * run];
  let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
  runEnd = min(start + (packed >> 1u), params.keyTileEnd);
  ${full} = (packed & 1u) == 1u;
  ${name} = max(start, params.keyTileBegin);
  run++;
}
${visits} = ${name} < runEnd;`

const mapped: TilePipeline = {
  first: `var run = firstRun;
var runEnd = 0u;
var full = false;
var nextFull = false;
var keyTile = 0u;
var visits = false;
${seek('keyTile', 'nextFull', 'visits')}
full = nextFull;
var nextTile = keyTile + 1u;
var visitsNext = false;
${seek('nextTile', 'nextFull', 'visitsNext')}`,
  later: `var laterTile = nextTile + 1u;
var laterFull = nextFull;
var visitsLater = false;
${seek('laterTile', 'laterFull', 'visitsLater')}`,
  advance: `keyTile = nextTile;
nextTile = laterTile;
visits = visitsNext;
visitsNext = visitsLater;
full = nextFull;
nextFull = laterFull;`,
}

/** The loop of a kernel. */
export function tilePipeline(blockMap: boolean, wholeTiles: boolean): TilePipeline {
  return blockMap ? mapped : dense(wholeTiles)
}

/**
 * Declares `sampleTile` of a block map: the first tile that is visited, or better the first of which all
 * rows see all keys.
 */
export const sampleTile = /* wgsl */ `var sampleTile = 0xffffffffu;
for (var run = firstRun; run < endRun; run++) {
  let start = blockMap[params.mapRunsBase + 2u * run];
  let packed = blockMap[params.mapRunsBase + 2u * run + 1u];
  let begin = max(start, params.keyTileBegin);
  let full = (packed & 1u) == 1u;
  if (begin < min(start + (packed >> 1u), params.keyTileEnd) && (full || sampleTile == 0xffffffffu)) {
    sampleTile = begin;
    if (full) { break; }
  }
}`
