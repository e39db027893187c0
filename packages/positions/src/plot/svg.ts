// SVG as text. Pictures bring their own background and two sets of colours, so they can be read on
// light and on dark pages, inline or as files.

/** Which colours a picture has; `auto` follows the reader's preference. */
export type PlotTheme = 'auto' | 'light' | 'dark'

/** Attributes of an element; numbers are rounded to a tenth of a pixel. */
export type Attributes = Readonly<Record<string, string | number>>

const light = {
  paper: '#ffffff',
  ink: '#1f2328',
  faint: '#d0d7de',
  series: ['#0969da', '#bc4c00', '#116329', '#8250df', '#9a6700', '#a40e26'],
}
const dark = {
  paper: '#0d1117',
  ink: '#e6edf3',
  faint: '#3d444d',
  series: ['#58a6ff', '#ff9b5c', '#4ac26b', '#c297ff', '#e3b341', '#ff8182'],
}

/** How many series have a colour of their own before they repeat. */
export const seriesColors: number = light.series.length

function variables({ paper, ink, faint, series }: typeof light): string {
  const colors = series.map((color, index) => `--series${index}:${color}`).join(';')
  return `--paper:${paper};--ink:${ink};--faint:${faint};${colors}`
}

function style(theme: PlotTheme): string {
  const chosen = variables(theme === 'dark' ? dark : light)
  const other =
    theme === 'auto' ? `@media(prefers-color-scheme:dark){.attn-plot{${variables(dark)}}}` : ''
  return `.attn-plot{${chosen};font:12px system-ui,sans-serif}${other}`
}

/** Text made safe for element content and attribute values. */
export function escapeText(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (character) => entities[character]!)
}

/** A number as short as a tenth of a pixel allows. */
export function pixels(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** One element. Children are SVG text already. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const written = Object.entries(attributes)
    .map(
      ([key, value]) =>
        ` ${key}="${typeof value === 'number' ? pixels(value) : escapeText(value)}"`,
    )
    .join('')
  return children.length > 0
    ? `<${name}${written}>${children.join('')}</${name}>`
    : `<${name}${written}/>`
}

/** A text element. */
export function label(text: string, attributes: Attributes): string {
  return element('text', { fill: 'var(--ink)', ...attributes }, escapeText(text))
}

/** The title in as many lines as the width asks for, in letters of about 8 pixels. */
function heading(title: string, width: number): string[] {
  const most = Math.floor((width - 16) / 8)
  const lines: string[] = []
  for (const word of title.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= most)
      lines.push(`${lines.pop()!} ${word}`)
    else lines.push(word)
  }
  const [first, step] = lines.length === 1 ? [22, 0] : [15, 17]
  return lines.map((line, index) =>
    label(line, {
      x: width / 2,
      y: first + index * step,
      'text-anchor': 'middle',
      'font-size': '15',
      'font-weight': '600',
    }),
  )
}

/** A whole picture with a title that is drawn and read aloud. */
export function picture(
  size: { readonly width: number; readonly height: number },
  title: string,
  description: string,
  theme: PlotTheme,
  ...children: string[]
): string {
  const { width, height } = size
  return `${element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: 'attn-plot',
      viewBox: `0 0 ${pixels(width)} ${pixels(height)}`,
      width,
      height,
      role: 'img',
    },
    element('title', {}, escapeText(title)),
    element('desc', {}, escapeText(description)),
    element('style', {}, style(theme)),
    element('rect', { width, height, fill: 'var(--paper)' }),
    ...heading(title, width),
    ...children,
  )}\n`
}
