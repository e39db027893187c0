// The look that all charts of the commands share: one set of colours and marks, readable on light and on
// dark pages, and told apart without colour as well.

/** How a method is drawn wherever it appears in a figure. */
export interface Look {
  /** A CSS colour. */
  readonly color: string
  readonly symbol: 'circle' | 'square' | 'triangle' | 'diamond' | 'star' | 'wye' | 'times' | 'plus'
}

// Dark enough for 12-pixel text on white, and bright enough on a dark page.
const light = [
  '#0369a1',
  '#c2410c',
  '#0f8a5f',
  '#a8327e',
  '#946200',
  '#5b4fc4',
  '#a40e26',
  '#5f6670',
]
const dark = [
  '#60b8f0',
  '#fb923c',
  '#34d399',
  '#f08fcb',
  '#f5d04c',
  '#b4a8ff',
  '#ff8182',
  '#a4abb5',
]
const symbols = [
  'circle',
  'square',
  'triangle',
  'diamond',
  'star',
  'wye',
  'times',
  'plus',
] as const satisfies readonly Look['symbol'][]

/** The look of the n-th method of a figure. They repeat after the eighth. */
export function lookOf(index: number): Look {
  const place = index % light.length
  return { color: `var(--series${place})`, symbol: symbols[place]! }
}

const variables = (series: readonly string[], paper: string, ink: string, faint: string): string =>
  [
    `--paper:${paper};--ink:${ink};--faint:${faint}`,
    ...series.map((color, index) => `--series${index}:${color}`),
  ].join(';')
const onLight = variables(light, '#ffffff', '#1f2328', '#d0d7de')
const onDark = variables(dark, '#16181d', '#e6edf3', '#3d444d')

/**
 * CSS of one figure. A file follows the reader's preference, and so does a figure within an element of
 * class `auto`; within one of class `dark` (as VitePress has it) it is dark.
 */
export const figureStyle: string = [
  `.attn-chart{${onLight};color:var(--ink);font:12px system-ui,sans-serif}`,
  `@media(prefers-color-scheme:dark){svg.attn-chart:root,.auto .attn-chart{${onDark}}}`,
  `.dark .attn-chart{${onDark}}`,
].join('')
