// What score modifiers do: a heat map by head where it depends on positions, else curves of scores. What is no number
// is left blank, as hidden pairs are.
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
  const reads = new Set(
    modifiers.flatMap(({ expression }) => [...dependencies(expression.node).coordinates]),
  )
  const positional = reads.has('query') || reads.has('key')
  const shown = reads.has('head') ? spread(heads) : [0]
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
    const curves = shown.map((head) => ({
      label: shown.length > 1 ? `head ${head + 1}` : names,
      x,
      y: x.map((value) => finite(apply({ ...point, head, score: value }), Number.NaN)),
    }))
    return linePlot({
      title: `${names}: what becomes of a score`,
      description: `Scores from -40 to 40 across, what ${names} makes of them up.`,
      panels: [
        {
          xLabel: 'score',
          yLabel: 'modified score',
          series: [{ label: 'as it is', x, y: x, draw: 'dashes' }, ...curves],
        },
      ],
    })
  }
  const allows = mask ? compile(mask.expression) : undefined
  const cells = Math.min(mostCells, keyLength)
  const rows = Math.min(mostCells, queryLength)
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
        return !allows || allows(at) ? finite(apply(at) - score, -Infinity) : -Infinity
      }),
    })),
  })
}

/** Heads that are shown, evenly spread. */
function spread(heads: number): number[] {
  const count = Math.min(heads, mostPanels)
  return Array.from({ length: count }, (_, index) => Math.floor((index * heads) / count))
}

/** What a picture can show; a visitor may divide by nothing. */
function finite(value: number, otherwise: number): number {
  return Number.isFinite(value) ? value : otherwise
}

/** What an axis of cells counts. */
function axis(name: string, tokens: number): string {
  return tokens === 1 ? name : `${name}, ${Number(tokens.toPrecision(3))} tokens a cell`
}
