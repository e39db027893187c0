// What the decode kernel does with a chunk of keys: loads, products, the weights that decode-lanes.ts makes of
// them, and the weighted values.
import { unroll } from '../../codegen/snippets.ts'
import { chunkKeys, laneVectors } from '../../plan/decode/decode-tile.ts'
import { eitherSum } from '../careful.ts'
import type { DecodeConfig } from './decode-config.ts'
import { laneSums } from './decode-lanes.ts'
import { rowLoad } from './decode-loads.ts'
import type { DecodeAccess, RowLoad } from './decode-access.ts'
import { placeText } from './decode-places.ts'
import { pastDims } from './decode-queries.ts'

/** What is done with a chunk, in parts, of which products and sums come with care or without. */
export interface ChunkLoop {
  readonly before: string
  readonly first: (careful: boolean) => string
  readonly careful: string
  readonly usual: string
  readonly last: string
}

/**
 * A loop with care and one without, since a choice in one loop costs a third of the time where registers are
 * short. Software adapters, which take their time to compile a mask, get the choice.
 */
export function inLoops(
  { shortText, rules }: DecodeConfig,
  { first, careful, usual, last }: ChunkLoop,
  loop: (body: string) => string,
): string {
  const join = (start: string, sums: string): string =>
    [start, sums, last].filter((part) => part !== '').join('\n')
  if (shortText && (rules.hasMask || rules.pairwise)) {
    return loop(join(first(true), eitherSum(careful, usual)))
  }
  return eitherSum(loop(join(first(true), careful)), loop(join(first(false), usual)))
}

/** The loop over chunks: loads, or with `loadsAhead` those of the chunk after, and what is done. */
export function chunkLoop(config: DecodeConfig): ChunkLoop {
  const { tile, headDim, valueDim, key, value } = config
  const { lanes, rows, keysAhead, loadsAhead } = tile
  const loads = (name: 'key' | 'value', access: DecodeAccess, dims: number): RowLoad[] =>
    Array.from({ length: keysAhead }, (_, u) => rowLoad(name, access, dims, lanes, u))
  const keys = loads('key', key, headDim)
  const values = loads('value', value, valueDim)
  const declare = (each: readonly RowLoad[], word: string): string =>
    each.flatMap((row) => row.loads.map(([name, text]) => `${word}${name} = ${text};`)).join('\n')
  const placed = placeText(config.places, chunkKeys(tile))
  const places = (chunk: string, word: string): string => {
    const number = (u: number): string => `min(firstKey + ${u}u * slots, lastKey)`
    return `${word}firstKey = chunkAt(batch, ${chunk}) * chunkKeys + slot;
${placed.rows(keysAhead, word, number)}`
  }
  const vectors = (each: readonly RowLoad[], name: string): string =>
    each
      .map((row, u) =>
        [
          ...row.vectors.map((text, v) => `let ${name}${u}_${v} = ${text};`),
          ...(row.scales ?? []).map((text, g) => `let ${name}Scale${u}_${g} = ${text};`),
        ].join('\n'),
      )
      .join('\n')
  // With care each element of a block is multiplied by the scale: one that is infinite makes NaN of zeros.
  const products = (careful: boolean): string => `${vectors(keys, 'k')}${
    careful ? '' : largestScales(keys)
  }
${unroll(keysAhead, (u) =>
  unroll(rows, (r) => {
    const { scales } = keys[u]!
    const products = keys[u]!.vectors.map((_, v) =>
      careful && scales
        ? `dot(query${r}_${v}, k${u}_${v} * kScale${u}_${groupOf(keys[u]!, v)})`
        : `dot(query${r}_${v}, k${u}_${v})`,
    )
    const sums = scaled(products, careful ? undefined : scales, (g) => `kScale${u}_${g}`)
    // Threads that are left over read the last dims once more: 0 times an infinity there would be NaN.
    const terms = sums.map((term, g) => {
      const v = (g * products.length) / sums.length
      return pastDims(config, v) ? `select(0.0, ${term}, owns${v})` : term
    })
    return `let product${u * rows + r} = ${terms.join(' + ')};`
  }),
)}`
  const eachSum = (line: (sum: string, r: number, v: number) => string): string =>
    unroll(rows, (r) => unroll(laneVectors(valueDim, lanes), (v) => line(`output${r}_${v}`, r, v)))
  const careful = eachSum((sum, r, v) => {
    const lines = values.map(
      (row, u) =>
        `${sum} = addVisible(${sum}, weight${u * rows + r}, v${u}_${v}${row.scales ? ` * vScale${u}_${groupOf(row, v)}` : ''});`,
    )
    return [`${sum} *= decay${r};`, ...lines].join('\n')
  })
  const usual = eachSum((sum, r, v) => {
    const terms = values.map((row, u) =>
      row.scales
        ? `(weight${u * rows + r} * vScale${u}_${groupOf(row, v)}) * v${u}_${v}`
        : `weight${u * rows + r} * v${u}_${v}`,
    )
    return `${sum} = ${sum} * decay${r} + ${terms.join(' + ')};`
  })
  const valueVectors = vectors(values, 'v')
  if (!loadsAhead) {
    const first = (careful: boolean): string => `${places('chunk', 'let ')}
${declare(keys, 'let ')}
${declare(values, 'let ')}
${products(careful)}
${laneSums(config).each}
${valueVectors}`
    return { before: '', first, careful, usual, last: '' }
  }
  const first = (careful: boolean): string => `${products(careful)}
let ownFirst = firstKey;
${places('min(chunk + 1u, endChunk - 1u)', '')}
${declare(keys, '')}
${laneSums(config).each.replaceAll('firstKey', 'ownFirst')}
${valueVectors}`
  // A chunk's keys are on their way while the one before meets its values, and its values from then on.
  return {
    before: `${places('min(firstChunk, max(endChunk, 1u) - 1u)', 'var ')}
${declare(keys, 'var ')}
${declare(values, 'var ')}`,
    first,
    careful,
    usual,
    last: declare(values, ''),
  }
}

/** Notes the largest scale of keys: sums hide that one is infinite where they have one sign. */
const largestScales = (keys: readonly RowLoad[]): string =>
  keys
    .flatMap(({ scales = [] }, u) =>
      scales.map((_, g) => `\nlargestScale = max(largestScale, abs(kScale${u}_${g}));`),
    )
    .join('')

/** Which of a row's scales a vector has. */
const groupOf = ({ vectors, scales = [] }: RowLoad, vector: number): number =>
  Math.floor((vector * scales.length) / vectors.length)

/** Terms of a sum, or of each scale the sum of its terms times it. */
function scaled(
  terms: readonly string[],
  scales: readonly string[] | undefined,
  scale: (group: number) => string,
): readonly string[] {
  if (!scales) return terms
  const size = terms.length / scales.length
  return scales.map(
    (_, g) => `(${terms.slice(g * size, (g + 1) * size).join(' + ')}) * ${scale(g)}`,
  )
}
