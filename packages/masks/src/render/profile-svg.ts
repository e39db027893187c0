// The picture of a sparsity profile: the weights of one head, coloured by the place that explains
// them, above a bar of the shares. After figure 2 of Sparse Transformers (arXiv 1904.10509).
import { checkOptions, rangeError, toFloat64Array } from '@attn/core'
import type { OptionNames, Tensor } from '@attn/core'
import { sparsityProfile, weightPlaces } from '../analyze/sparsity-profile.ts'
import type { SparsityProfileOptions, WeightPlace } from '../analyze/sparsity-profile.ts'
import { largestPart, splitWeights } from '../analyze/weight-places.ts'
import { checkInteger } from '../check.ts'
import { hiddenCell, label, legend, paleInk, paper, picture, short } from './svg.ts'

/** How to draw a profile. */
export interface ProfileSvgOptions extends SparsityProfileOptions {
  /** Head to draw. Default: 0. */
  readonly head?: number | undefined
  /** Sequence to draw; shares are measured over all. Default: 0. */
  readonly batch?: number | undefined
  /** Heading. Default: `Attention weights of head ..`. */
  readonly title?: string | undefined
  /** Side of the matrix, in pixels; tokens share a cell where they would get less than two. Default: 512. */
  readonly size?: number | undefined
}

const colors: Readonly<Record<WeightPlace, string>> = {
  local: '#0072b2',
  row: '#009e73',
  column: '#e69f00',
  globalKeys: '#cc79a7',
  elsewhere: '#d55e00',
}
const descriptions: Readonly<Record<WeightPlace, string>> = {
  local: 'local band',
  row: 'image row',
  column: 'image column',
  globalKeys: 'global keys',
  elsewhere: 'elsewhere',
}

/** Pixels of a cell, at least: of longer sequences several tokens share one. */
const cellSide = 2
const shades = 5
const left = 20
const top = 56

const profileSvgOptions: OptionNames<ProfileSvgOptions> = {
  band: true,
  width: true,
  globalFactor: true,
  head: true,
  batch: true,
  title: true,
  size: true,
}

/**
 * Draws the attention weights of one head, the stronger the darker, in the colour of the place that
 * explains them, with the shares of the places below.
 *
 * @param probabilities - Weights after the softmax, `[B, H, L, L]`, as for `sparsityProfile`.
 * @returns A complete SVG document as text.
 * @throws RangeError as `sparsityProfile` does, and for a head or sequence that is not there.
 *
 * @example
 * ```ts
 * import { tensorFrom } from '@attn/core'
 * import { profileSvg } from '@attn/masks'
 * const weights = Array.from({ length: 16 }, (_, pair) => (pair % 5 === 0 ? 1 : 0))
 * const svg = profileSvg(tensorFrom(weights, [1, 1, 4, 4]), { band: 1 })
 * svg.includes('local band 100%') // => true
 * ```
 */
export function profileSvg(probabilities: Tensor, options: ProfileSvgOptions = {}): string {
  checkOptions('profileSvg', options, profileSvgOptions)
  const { head = 0, batch = 0, size = 512, ...others } = options
  const { title = `Attention weights of head ${head}`, ...profileOptions } = others
  const profile = sparsityProfile(probabilities, profileOptions)
  checkInteger('profileSvg', 'head', head, 0)
  checkInteger('profileSvg', 'batch', batch, 0)
  const [batches, heads] = probabilities.shape as [number, number]
  if (head >= heads || batch >= batches) {
    throw rangeError(
      `profileSvg: there are ${batches} sequences and ${heads} heads, got batch=${batch} head=${head}`,
    )
  }
  const { length, band, width } = profile
  const shown = profile.heads[head]!
  const start = (batch * heads + head) * length * length
  const weights = toFloat64Array(probabilities).subarray(start, start + length * length)
  const globalKeys = new Set(shown.globalKeys)
  const placesOf = (query: number): ((key: number) => WeightPlace) => {
    const row = weights.subarray(query * length, (query + 1) * length)
    const partsOf = splitWeights(query, row, { band, width })
    return (key) => {
      const found = largestPart(partsOf(key))
      return found === 'elsewhere' && globalKeys.has(key) ? 'globalKeys' : found
    }
  }
  const tokens = Math.ceil((cellSide * length) / size)
  const cells = Math.ceil(length / tokens)
  const scale = size / cells
  const present = weightPlaces.filter((name) => shown.shares[name] > 0.0005)
  const entries = present.map((name) => ({
    color: colors[name],
    text: `${descriptions[name]} ${percent(shown.shares[name])}`,
  }))
  const bar = top + size + 16
  const key = legend(entries, left, bar + 30, size)
  const subtitle = [
    `${length} tokens, band ${band}`,
    ...(width === undefined ? [] : [`rows of ${width}`]),
    `${percent(shown.dataDependent)} data-dependent`,
    `${short(shown.keysForNinety)} keys hold 90%`,
  ].join(', ')
  return picture(title, size + 2 * left, bar + 30 + key.height + 8, [
    label({ x: left, y: 24, text: title, size: 16, bold: true }),
    label({ x: left, y: 43, text: subtitle, size: 12, color: paleInk }),
    `<g transform="translate(${left} ${top}) scale(${Math.round(scale * 1e4) / 1e4})">`,
    `<rect width="${cells}" height="${cells}" fill="${hiddenCell}"/>`,
    ...heatMap(weights, length, tokens, placesOf),
    '</g>',
    ...shareBar(present, (name) => shown.shares[name], bar, size),
    ...key.markup,
  ])
}

const percent = (share: number): string => `${Math.round(share * 100)}%`

interface Cell {
  readonly column: number
  readonly row: number
}

/** Rectangles, one for each run of cells in a row; cells come row by row. */
function pathOf(cells: readonly Cell[]): string {
  const runs: { column: number; row: number; count: number }[] = []
  for (const { column, row } of cells) {
    const last = runs.at(-1)
    if (last?.row === row && last.column + last.count === column) last.count++
    else runs.push({ column, row, count: 1 })
  }
  return runs.map(({ column, row, count }) => `M${column} ${row}h${count}v1h-${count}z`).join('')
}

/** A path for each place and shade. A cell is as dark as its largest weight is in its row. */
function heatMap(
  weights: Float64Array,
  length: number,
  tokens: number,
  placesOf: (query: number) => (key: number) => WeightPlace,
): readonly string[] {
  const cells = Math.ceil(length / tokens)
  const paths = new Map<string, Cell[]>()
  for (let row = 0; row < cells; row++) {
    const largest = new Float64Array(cells)
    const where = Array<WeightPlace>(cells).fill('elsewhere')
    for (let query = row * tokens; query < Math.min((row + 1) * tokens, length); query++) {
      const place = placesOf(query)
      for (let key = 0; key < length; key++) {
        const cell = Math.floor(key / tokens)
        const weight = weights[query * length + key]!
        if (weight <= largest[cell]!) continue
        largest[cell] = weight
        where[cell] = place(key)
      }
    }
    const strongest = largest.reduce((most, weight) => Math.max(most, weight), 0)
    largest.forEach((weight, column) => {
      // The square root lifts faint weights; those below a hundredth of the largest are not drawn.
      const shade = Math.floor(Math.sqrt(weight / strongest) * shades + 0.5)
      if (!(shade > 0)) return
      const name = `${where[column]} ${shade}`
      const path = paths.get(name) ?? []
      path.push({ column, row })
      paths.set(name, path)
    })
  }
  return [...paths]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, path]) => {
      const [found, shade] = name.split(' ') as [WeightPlace, string]
      const opacity = short(0.15 + (0.85 * Number(shade)) / shades)
      return `<path fill="${colors[found]}" fill-opacity="${opacity}" shape-rendering="crispEdges" d="${pathOf(path)}"/>`
    })
}

function shareBar(
  present: readonly WeightPlace[],
  share: (name: WeightPlace) => number,
  y: number,
  width: number,
): readonly string[] {
  let x = left
  return present.map((name) => {
    const length = share(name) * width
    const part = `<rect x="${short(x)}" y="${y}" width="${short(length)}" height="18" fill="${colors[name]}" stroke="${paper}"/>`
    x += length
    return part
  })
}
