// From the number of a key in the decode kernel's walk to its row in memory and its position: all the same
// where a cache holds its tokens one after another, different in a ring and in pages.
import { unroll } from '../../codegen/snippets.ts'
import type { PlacesText } from '../../plan/decode/key-places.ts'
import { lengthWords } from './decode-frame.ts'

/** How the kernel finds a key. */
export interface PlaceText {
  /** Statements of a workgroup, once it knows its sequence. */
  readonly before: string
  /** How many keys there are to walk over. */
  readonly walked: string
  /**
   * Statements that give the rows `place{u}` of a thread's keys in a chunk.
   *
   * @param word - `let `, `var ` or nothing: how the names are declared.
   * @param number - The number of key u.
   */
  rows(count: number, word: string, number: (u: number) => string): string
  /** The position of a key. */
  position(number: string): string
  /** What must hold besides for a key to be seen, as the rest of a condition. */
  held(number: string, position: string, query: string): string
}

/** The text for keys that lie so. */
export function placeText(places: PlacesText | undefined, chunkKeys: number): PlaceText {
  const own = (index: number): string => `lengths[lengthWords * batch + ${lengthWords() + index}u]`
  const plain: PlaceText = {
    before: '',
    walked: 'keyCount',
    rows: (count, word, number) => unroll(count, (u) => `${word}place${u} = ${number(u)};`),
    position: (number) => number,
    held: () => '',
  }
  if (!places) return plain
  if (places.kind === 'pages') {
    const shift = Math.log2(places.pageSize)
    const page = (key: string): string =>
      `(select(0u, lengths[pageTable + (${key} >> ${shift}u)], keyCount > 0u) << ${shift}u)`
    const within = (key: string): string => `(${key} & ${places.pageSize - 1}u)`
    return {
      ...plain,
      before: `let pageTable = ${own(0)};\n`,
      rows: (count, word, number) =>
        // A chunk that lies in one page looks it up once.
        places.pageSize >= chunkKeys
          ? `${word}page = ${page('firstKey')};
${unroll(count, (u) => `${word}place${u} = page + ${within(number(u))};`)}`
          : unroll(
              count,
              (u) => `${word}key${u} = ${number(u)};
${word}place${u} = ${page(`key${u}`)} + ${within(`key${u}`)};`,
            ),
    }
  }
  const { sinks, rows, window } = places
  return {
    ...plain,
    before: `let heldRows = ${own(0)};
let newestRow = ${own(1)};
let lap = ${own(2)};
let oldestKey = ${own(3)};
`,
    walked: 'heldRows',
    // Rows past the newest one are of the lap before; of rows never filled this makes what is no position.
    position: (number) =>
      `select(${number} + lap - select(0u, ${rows}u, ${number} > newestRow), ${number}, ${number} < ${sinks}u)`,
    held: (number, position, query) =>
      ` && ${number} < heldRows && (${number} < ${sinks}u || (${position} >= oldestKey && ${query} - i32(${position}) < ${window}))`,
  }
}
