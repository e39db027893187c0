// Colours of code as classes. Each token of each example would else name its two colours, forty thousand times over the
// site.
import type { MarkdownOptions } from 'vitepress'

type Transformer = NonNullable<MarkdownOptions['codeTransformers']>[number]

/**
 * What github-light and github-dark colour tokens with, the commonest first, and what they have here: darker or lighter,
 * where theirs are too pale to read on the grey of examples.
 */
const pairs = [
  { theirs: ['#24292E', '#E1E4E8'] },
  { theirs: ['#D73A49', '#F97583'], ours: ['#BE2537', '#F97583'] },
  { theirs: ['#005CC5', '#79B8FF'] },
  { theirs: ['#6F42C1', '#B392F0'] },
  { theirs: ['#032F62', '#9ECBFF'] },
  { theirs: ['#E36209', '#FFAB70'], ours: ['#A84300', '#FFAB70'] },
  { theirs: ['#6A737D', '#6A737D'], ours: ['#59626C', '#929BA5'] },
] as const satisfies readonly { theirs: Pair; ours?: Pair }[]

/** Of light pages and of dark ones. */
type Pair = readonly [light: string, dark: string]

const styleOf = ([light, dark]: Pair): string => `--shiki-light:${light};--shiki-dark:${dark}`
const classes = new Map(pairs.map(({ theirs }, index) => [styleOf(theirs), `c${index}`]))

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
  .map((pair, index) => `.vp-code .c${index}{${styleOf('ours' in pair ? pair.ours : pair.theirs)}}`)
  .join('')
