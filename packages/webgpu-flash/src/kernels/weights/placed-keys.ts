// Keys that do not lie at the rows of their positions, in the kernel of weights: in pages, which are looked up, and
// in a ring, whose columns of the result are its rows and whose positions follow from these.
import type { ScoreRules } from '../../codegen/snippets.ts'
import type { PlacesText } from '../../plan/decode/key-places.ts'
import type { TileSource } from '../tile/source.ts'

/** Fields of the uniform block: where the words of places begin in `chosen`, and how many a sequence has. */
export const placesFields = ['placesBase', 'placesStride'] as const

/** How the kernel finds keys. */
export interface PlacedKeys {
  /** WGSL of \`keyRow\`, and of \`keyToken\` and \`queryToken\` where positions are no neighbours. */
  readonly code: string
  /** Statements once a workgroup knows its sequence, each with its line's end. */
  readonly before: string
  readonly source: Pick<TileSource, 'last' | 'token'>
  /** Whether each pair names its own positions; see tile/ordered-rules.ts. */
  readonly ordered: boolean
  readonly rules: ScoreRules
}

/** The text for keys that lie so. */
export function placedKeys(places: PlacesText | undefined, rules: ScoreRules): PlacedKeys {
  const plain = { code: '', before: '', source: { last: 'lastKey' }, ordered: false, rules }
  if (!places) return plain
  const word = (index: number): string =>
    `chosen[params.placesBase + batch * params.placesStride + ${index}u]`
  // What \`keyRow\` gives is a row that is there.
  const source = { last: '0xffffffffu', token: 'keyRow' }
  if (places.kind === 'pages') {
    const shift = Math.log2(places.pageSize)
    return {
      ...plain,
      source,
      code: /* wgsl */ `var<private> pageTable: u32;
var<private> keyEnd: u32;

fn keyRow(index: u32) -> u32 {
  let key = min(index, max(keyEnd, 1u) - 1u);
  let page = select(0u, chosen[pageTable + (key >> ${shift}u)], keyEnd > 0u);
  return (page << ${shift}u) | (key & ${places.pageSize - 1}u);
}`,
      before: `pageTable = params.placesBase + batch * params.placesStride;
keyEnd = keyCount;
`,
    }
  }
  const { sinks, rows, window } = places
  const visible = rules.hasMask ? ' && maskShows(batch, head, query, queryIndex, key)' : ''
  return {
    source,
    ordered: true,
    rules: {
      ...rules,
      hasMask: true,
      code: `${rules.code.replaceAll('fn visible(', 'fn maskShows(')}

fn visible(batch: i32, head: i32, query: i32, queryIndex: i32, key: i32) -> bool {
  return (key < ${sinks} || (key >= i32(oldestKey) && query - key < ${window}))${visible};
}`,
    },
    // Rows past the newest one are of the lap before; of rows never filled this makes what is no position.
    code: /* wgsl */ `var<private> heldRows: u32;
var<private> newestRow: u32;
var<private> lap: u32;
var<private> oldestKey: u32;

fn keyRow(index: u32) -> u32 {
  return min(index, max(heldRows, 1u) - 1u);
}

fn keyToken(index: u32) -> u32 {
  let position = index + select(lap - select(0u, ${rows}u, index > newestRow), 0u, index < ${sinks}u);
  return select(0xffffffffu, position, index < heldRows);
}

fn queryToken(slot: u32) -> u32 {
  return slot;
}`,
    before: `heldRows = ${word(0)};
newestRow = ${word(1)};
lap = ${word(2)};
oldestKey = ${word(3)};
`,
  }
}
