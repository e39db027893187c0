// SVG text: what every picture shares. No canvas and no document, so pictures are drawn wherever
// JavaScript runs.

/** Colours that stay apart for colour-blind readers (Okabe and Ito 2008), darkened where too pale. */
const palette = [
  '#0072b2',
  '#e69f00',
  '#009e73',
  '#cc79a7',
  '#d55e00',
  '#56b4e9',
  '#8a6d00',
  '#5b3a8c',
] as const

/** Parts of shipped patterns, so that the same part has the same colour in every picture. */
const usualPlaces: Readonly<Record<string, number>> = {
  window: 0,
  block: 0,
  recent: 0,
  local: 0,
  causal: 0,
  branch: 0,
  row: 0,
  ancestors: 0,
  strided: 1,
  summary: 1,
  sinks: 1,
  prefix: 1,
  column: 1,
  globalKeys: 2,
  globalQueries: 3,
  random: 4,
}

export const ink = '#1f2933'
export const paleInk = '#616e7c'
export const paper = '#ffffff'
export const hiddenCell = '#eef0f3'

/** A colour for each part of a pattern, different for different names as far as colours go. */
export function colorsOf(names: readonly string[]): readonly string[] {
  const places = new Map<string, number>()
  const taken = (): ReadonlySet<number> => new Set(places.values())
  for (const name of names) {
    const usual = usualPlaces[name]
    if (usual !== undefined && !taken().has(usual)) places.set(name, usual)
  }
  for (const name of names) {
    if (places.has(name)) continue
    const free = palette.findIndex((_, place) => !taken().has(place))
    places.set(name, free < 0 ? places.size : free)
  }
  return names.map((name) => palette[places.get(name)! % palette.length]!)
}

/** Text for the inside of an element or attribute. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** A short decimal. */
export const short = (value: number): string => String(Math.round(value * 100) / 100)

/** Where text stands. */
export interface Label {
  readonly x: number
  readonly y: number
  readonly text: string
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly size?: number
  readonly color?: string
  readonly bold?: boolean
  /** Degrees clockwise. */
  readonly turn?: number
}

/** One line of text. */
export function label({
  x,
  y,
  text,
  anchor = 'start',
  size = 13,
  color = ink,
  bold,
  turn,
}: Label): string {
  const attributes = [
    `x="${short(x)}" y="${short(y)}" font-size="${size}" fill="${color}" text-anchor="${anchor}"`,
    ...(bold ? ['font-weight="600"'] : []),
    ...(turn === undefined ? [] : [`transform="rotate(${turn} ${short(x)} ${short(y)})"`]),
  ]
  return `<text ${attributes.join(' ')}>${escaped(text)}</text>`
}

/** An entry of a legend. */
export interface LegendEntry {
  readonly color: string
  readonly text: string
}

/** Colour samples with their names from left to right, broken into lines. */
export function legend(
  entries: readonly LegendEntry[],
  x: number,
  y: number,
  width: number,
): { readonly markup: readonly string[]; readonly height: number } {
  const markup: string[] = []
  const lineHeight = 22
  let left = 0
  let line = 0
  for (const { color, text } of entries) {
    const entryWidth = 18 + 7.5 * text.length + 18
    if (left > 0 && left + entryWidth > width) {
      left = 0
      line++
    }
    const top = y + line * lineHeight
    markup.push(
      `<rect x="${short(x + left)}" y="${short(top)}" width="12" height="12" fill="${color}"/>`,
      label({ x: x + left + 18, y: top + 11, text }),
    )
    left += entryWidth
  }
  return { markup, height: entries.length === 0 ? 0 : (line + 1) * lineHeight }
}

/** A whole picture, on white so that it can stand on any page. */
export function picture(
  title: string,
  width: number,
  height: number,
  markup: readonly string[],
): string {
  const size = `width="${short(width)}" height="${short(height)}"`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} viewBox="0 0 ${short(width)} ${short(height)}" font-family="system-ui, sans-serif" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect ${size} fill="${paper}"/>`,
    ...markup,
    '</svg>',
    '',
  ].join('\n')
}
