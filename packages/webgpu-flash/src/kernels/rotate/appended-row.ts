// Where a row that is appended to a cache goes, and at which position it stands: what kernels that fill
// caches read of each sequence.
import type { PlacesText } from '../../plan/decode/key-places.ts'

/** How rows are appended. */
export interface AppendConfig {
  /** Where keys lie. Default: at the rows of their positions. */
  readonly places?: PlacesText | undefined
  /** Whether it is told how far from the first each row stands, as for those of a tree. */
  readonly depths: boolean
  /** Whether the padding of sequences comes before their tokens, and not behind. */
  readonly leftPadded: boolean
}

/**
 * Words of a sequence: the position of its first new token, how many there are, the row of the first in
 * what is appended; where the words of its pages begin less the number of the first of them, and where
 * those of the depths of its rows do.
 */
export const appendWords = 5

/**
 * WGSL that leaves the kernel for rows without a token, and declares `place`, the row in the cache, and
 * `position`, of `row` of the sequence `batch`; `inputOf` is the row in what is appended.
 */
export function appendedRow({ places, depths, leftPadded }: AppendConfig): string {
  return `let own = ${appendWords}u * batch;
let end = positions[own] + positions[own + 1u];
let token = positions[own] + row;
if (token >= end) { return; }
${placeOf(places)}
let position = vec2<u32>(${depths ? 'positions[own] + positions[positions[own + 4u] + row]' : 'token'}, 0u);
let inputOf = ${leftPadded ? 'row + positions[own + 2u]' : 'row'};`
}

function placeOf(places: PlacesText | undefined): string {
  if (!places) return 'let place = token;'
  if (places.kind === 'pages') {
    const shift = Math.log2(places.pageSize)
    return `let place = (positions[positions[own + 3u] + (token >> ${shift}u)] << ${shift}u) + (token & ${places.pageSize - 1}u);`
  }
  const { sinks, rows } = places
  return `// Of more tokens than the ring has rows the last ones stay.
if (token >= ${sinks}u && token + ${rows}u < end) { return; }
let place = select(${sinks}u + (token - ${sinks}u) % ${rows}u, token, token < ${sinks}u);`
}
