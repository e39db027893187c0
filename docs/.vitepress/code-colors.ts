// Colours of code as classes. Each token of each example would else name its two colours, forty thousand times over the
// site.
import type { MarkdownOptions } from 'vitepress'

type Transformer = NonNullable<MarkdownOptions['codeTransformers']>[number]

/** What github-light and github-dark colour tokens with, the commonest first. */
const pairs = [
  ['#24292E', '#E1E4E8'],
  ['#D73A49', '#F97583'],
  ['#005CC5', '#79B8FF'],
  ['#6F42C1', '#B392F0'],
  ['#032F62', '#9ECBFF'],
  ['#E36209', '#FFAB70'],
  ['#6A737D', '#6A737D'],
] as const

const styleOf = ([light, dark]: (typeof pairs)[number]): string =>
  `--shiki-light:${light};--shiki-dark:${dark}`
const classes = new Map(pairs.map((pair, index) => [styleOf(pair), `c${index}`]))

/** Tokens of other colours keep them. */
export const colorClasses: Transformer = {
  name: 'attn:color-classes',
  span(node) {
    const { style } = node.properties
    const known = typeof style === 'string' && classes.get(style.replace(/;$/, ''))
    if (!known) return
    delete node.properties['style']
    this.addClassToHast(node, known)
  },
}

/** The style sheet of the classes. */
export const colorStyles: string = pairs
  .map((pair, index) => `.vp-code .c${index}{${styleOf(pair)}}`)
  .join('')
