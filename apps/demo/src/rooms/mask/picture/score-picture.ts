// What score modifiers do: a heat map by head where it depends on positions, else a curve of scores.
import { compile, dependencies, type Mask, type ScoreModifier } from '@attn/core'
import { heatMap, linePlot } from '@attn/positions'

interface Sizes {
  readonly heads: number
  readonly queryLength: number
  readonly keyLength: number
}

/** Rows and columns of a heat map, at most; longer sequences are drawn by evenly spread positions. */
const mostCells = 48
const mostPanels = 4

/**
 * @param score - The score that is modified, where the picture is by position.
 * @returns SVG text.
 */
export function scorePicture(
  modifiers: readonly ScoreModifier[],
  mask: Mask | undefined,
  sizes: Sizes,
  score: number,
): string {
  const modify = modifiers.map(({ expression }) => compile(expression))
  const apply = (point: Parameters<(typeof modify)[number]>[0]): number =>
    modify.reduce((value, each) => each({ ...point, score: value }), point.score ?? 0)
  const { heads, queryLength, keyLength } = sizes
  const positional = modifiers.some(({ expression }) => {
    const { coordinates } = dependencies(expression.node)
    return coordinates.has('query') || coordinates.has('key')
  })
  const names = modifiers.map(({ name }) => name).join(', then ')
  const point = {
    batch: 0,
    head: 0,
    heads,
    query: 0,
    queryIndex: 0,
    key: 0,
    queryLength,
    keyLength,
  }
  if (!positional) {
    const x = Array.from({ length: 161 }, (_, index) => (index - 80) / 2)
    const curve = { label: names, x, y: x.map((value) => apply({ ...point, score: value })) }
    return linePlot({
      title: `${names}: what becomes of a score`,
      description: `Scores from -40 to 40 across, what ${names} makes of them up.`,
      panels: [
        {
          xLabel: 'score',
          yLabel: 'modified score',
          series: [{ label: 'as it is', x, y: x, draw: 'dashes' }, curve],
        },
      ],
    })
  }
  const allows = mask ? compile(mask.expression) : undefined
  const cells = Math.min(mostCells, keyLength)
  const rows = Math.min(mostCells, queryLength)
  const shown = Array.from({ length: Math.min(heads, mostPanels) }, (_, index) =>
    Math.floor((index * heads) / Math.min(heads, mostPanels)),
  )
  return heatMap({
    title: `${names}: what is added to a score of ${score}`,
    description: `Queries down and keys across, for ${shown.length} of ${heads} heads.`,
    xLabel: axis('key', keyLength / cells),
    yLabel: axis('query', queryLength / rows),
    valueLabel: 'added',
    panelsPerRow: 2,
    panels: shown.map((head) => ({
      title: `head ${head + 1} of ${heads}`,
      rows,
      columns: cells,
      values: Array.from({ length: rows * cells }, (_, index) => {
        const query = Math.floor(((Math.floor(index / cells) + 0.5) * queryLength) / rows)
        const key = Math.floor((((index % cells) + 0.5) * keyLength) / cells)
        const at = { ...point, head, query, queryIndex: query, key, score }
        return !allows || allows(at) ? apply(at) - score : -Infinity
      }),
    })),
  })
}

/** What an axis of cells counts. */
function axis(name: string, tokens: number): string {
  return tokens === 1 ? name : `${name}, ${Number(tokens.toPrecision(3))} tokens a cell`
}
