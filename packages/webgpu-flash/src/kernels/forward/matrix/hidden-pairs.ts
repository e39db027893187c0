// Which pairs of a tile count. Where a row sees all keys between two, as it does of most masks and wherever there is
// none, keys are compared with these ends; else every pair is asked by itself.
import { indent } from '../../../codegen/snippets.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { eachLaneRow, pastFirst, rowStep } from './lane-rows.ts'
import { laneVectors } from './lane-vectors.ts'
import { keyTokenAt, pairOf, querySlot, queryTokenAt } from './tokens.ts'

/** A condition on the elements of a vector: row r of a lane, its vector j. */
type Hidden = (r: number, j: number) => string

/** Whether rows see all keys between two. Keys in an order of their own are not neighbours. */
function betweenEnds({ rules, tokens }: ForwardMatrixConfig): boolean {
  return tokens === undefined && (!rules.hasMask || rules.shownKeys !== undefined)
}

/** A line for the first key of each of a lane's rows, `shownBegin{r}`, and how many there are, `shownCount{r}`. */
export function declareShownKeys(config: ForwardMatrixConfig): string {
  const { tile, rules, wholeTiles } = config
  if (wholeTiles || !rules.hasMask || !betweenEnds(config)) return ''
  const ends = eachLaneRow(tile, (r) => {
    const past = r * rowStep(tile)
    const row = `i32(batch), i32(head), position + ${past}, queryIndex + ${past}`
    return `let shownEnd${r} = min(u32(max(endShown(${row}), 0)), keyCount);
let shownBegin${r} = min(u32(beginShown(${row})), shownEnd${r});
let shownCount${r} = shownEnd${r} - shownBegin${r};`
  })
  return `\n${ends}`
}

/** Before the first key of a row the difference is beyond all counts. */
function outsideOfEnds({ tile, rules }: ForwardMatrixConfig): Hidden {
  return (r, j) => {
    const offsets = [0, 1, 2, 3].map((k) => `${pastFirst(tile, j, k)}u`).join(', ')
    const [before, count] = rules.hasMask
      ? [` - shownBegin${r}`, `shownCount${r}`]
      : ['', 'keyCount']
    return `vec4<u32>(firstKey + column${before}) + vec4<u32>(${offsets}) >= vec4<u32>(${count})`
  }
}

/**
 * Runs `apply(hidden)` where a tile is not full. Ends are compared in all tiles: drivers compute both sides of so short
 * a condition, and are faster without it.
 */
export function whereHidden(
  config: ForwardMatrixConfig,
  apply: (hidden: Hidden) => string,
): string {
  const { wholeTiles } = config
  if (wholeTiles) return ''
  return betweenEnds(config)
    ? apply(outsideOfEnds(config))
    : `if (!full) {\n${indent(askPairs(config, apply), 2)}\n}`
}

/** Pairs are asked in a loop: masks are long, and text is compiled as often as drivers unroll. */
function askPairs(config: ForwardMatrixConfig, apply: (hidden: Hidden) => string): string {
  const { tile, rules } = config
  const perRow = 4 * laneVectors(config)
  const count = perRow * tile.rowsPerLane
  const own = tile.rowsPerLane === 1 ? 'pair' : `(pair % ${perRow}u)`
  const past = `(${own} >> 2u) * ${4 * tile.lanesPerRow}u + (${own} & 3u)`
  const pastQuery = tile.rowsPerLane === 1 ? '0' : `i32(pair / ${perRow}u * ${rowStep(tile)}u)`
  const ordered = config.tokens !== undefined
  const place = ordered
    ? pairOf('query', 'key')
    : `i32(batch), i32(head), position + ${pastQuery}, queryIndex + ${pastQuery}, i32(key)`
  const visible = rules.hasMask ? ` && visible(${place})` : ''
  const ownRow =
    tile.rowsPerLane === 1 ? 'ownRow0' : `ownRow0 + pair / ${perRow}u * ${rowStep(tile)}u`
  const query =
    ordered && rules.hasMask
      ? `let query = min(${queryTokenAt(config, querySlot(config, ownRow))}, lastQuery);\n  `
      : ''
  const bits = (r: number, j: number): string =>
    [0, 1, 2, 3].map((k) => `${2 ** (r * perRow + 4 * j + k)}u`).join(', ')
  return `var shown = 0u;
for (var pair = 0u; pair < ${count}u; pair++) {
  ${query}let key = ${keyTokenAt(config, `firstKey + column + ${past}`)};
  if (key < keyCount${visible}) { shown |= 1u << pair; }
}
${apply((r, j) => `(vec4<u32>(shown) & vec4<u32>(${bits(r, j)})) == vec4<u32>(0u)`)}`
}
