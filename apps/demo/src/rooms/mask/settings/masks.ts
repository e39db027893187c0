// The masks to choose from: patterns of @attn/masks with the numbers that they take.
import type { AttentionShape, Mask } from '@attn/core'
import {
  and,
  attentionSinks,
  bigBird,
  blockDiagonal,
  causal,
  dilatedWindow,
  sameDocument,
  fixed,
  longformer,
  neighbourhood,
  prefixLm,
  slidingWindow,
  strided,
} from '@attn/masks'
import type { Field, Values } from '../../../forms/field.ts'

export interface MaskChoice {
  readonly id: string
  readonly group: string
  readonly label: string
  readonly note: string
  readonly fields: readonly Field[]
  /**
   * The same mask as a visitor would write it, with its fields as names; undefined where no expression is that short.
   */
  readonly text?: string
  /** The mask for these numbers; undefined where every query sees every key. */
  readonly build: (values: Values, shape: AttentionShape) => Mask | undefined
}

const field = (name: string, label: string, initial: number, minimum = 0): Field => ({
  name,
  label,
  initial,
  minimum,
  maximum: 1048576,
})

/** The choice to write a mask; what is written is read by settings.ts. */
export const ownMask: MaskChoice = {
  id: 'expression',
  group: 'Your own',
  label: 'Your own',
  note: 'Your own: q and k, h (head), b (sequence), L, S; other names become numbers to set.',
  fields: [],
  build: () => undefined,
}

export const maskChoices: readonly MaskChoice[] = [
  ownMask,
  {
    id: 'full',
    group: 'Dense',
    label: 'Full',
    note: 'Every query sees every key.',
    text: 'true',
    fields: [],
    build: () => undefined,
  },
  {
    id: 'causal',
    group: 'Dense',
    label: 'Causal',
    note: 'A token sees itself and what came before.',
    text: 'k <= q',
    fields: [],
    build: () => causal(),
  },
  {
    id: 'prefix-lm',
    group: 'Dense',
    label: 'Prefix LM',
    note: 'A prompt read in both directions, an answer from left to right.',
    text: 'k <= q || k < prefix',
    fields: [field('prefix', 'Prefix', 128)],
    build: ({ prefix }) => prefixLm(prefix!),
  },
  {
    id: 'sliding-window',
    group: 'Local',
    label: 'Sliding window',
    note: 'Causal, with so many keys before the query.',
    text: 'k <= q && q - k <= window',
    fields: [field('window', 'Keys before', 127)],
    build: ({ window }) => slidingWindow(window!),
  },
  {
    id: 'dilated-window',
    group: 'Local',
    label: 'Dilated window',
    note: 'A window whose keys stand apart, as in Longformer.',
    text: 'k <= q && q - k <= window * dilation && (q - k) % dilation == 0',
    fields: [field('window', 'Keys before', 63), field('dilation', 'Dilation', 4, 1)],
    build: ({ window, dilation }) => dilatedWindow({ left: window!, dilation: dilation! }),
  },
  {
    id: 'attention-sinks',
    group: 'Local',
    label: 'Attention sinks',
    note: 'A window that never forgets the first tokens, as in StreamingLLM.',
    text: 'k <= q && q - k < recent || k <= q && k < sinks',
    fields: [field('sinks', 'First tokens', 4), field('recent', 'Last tokens', 128, 1)],
    build: ({ sinks, recent }) => attentionSinks({ sinks: sinks!, recent: recent! }),
  },
  {
    id: 'block-diagonal',
    group: 'Local',
    label: 'Block diagonal',
    note: 'Chunks that do not see one another.',
    text: 'k / block == q / block',
    fields: [field('block', 'Block', 128, 1)],
    build: ({ block }) => blockDiagonal(block!),
  },
  {
    id: 'document',
    group: 'Packed',
    label: 'Packed documents, causal',
    note: 'Documents of random lengths in one sequence.',
    fields: [field('documents', 'Documents', 8, 1)],
    build: ({ documents }, { queryLength }) =>
      and(causal(), sameDocument({ lengths: documentLengths(documents!, queryLength) })),
  },
  {
    id: 'longformer',
    group: 'Global and random',
    label: 'Longformer',
    note: 'A window on both sides, and global tokens at the start.',
    text: 'abs(q - k) <= sides || k < globals || q < globals',
    fields: [field('sides', 'Keys on each side', 64), field('globals', 'Global tokens', 4)],
    build: ({ sides, globals }) =>
      longformer({
        window: 2 * sides!,
        globalTokens: Array.from({ length: globals! }, (_, token) => token),
      }),
  },
  {
    id: 'big-bird',
    group: 'Global and random',
    label: 'BigBird',
    note: 'Window, global and random blocks. Each query block draws its own.',
    fields: [field('block', 'Block', 32, 1), field('random', 'Random blocks', 2)],
    build: ({ block, random }, { queryLength }) =>
      bigBird({ length: queryLength, blockSize: block!, randomBlocks: random!, seed: 7 }),
  },
  {
    id: 'strided',
    group: 'Sparse Transformer, both heads merged',
    label: 'Strided',
    note: 'The last keys, and before them one key in every stride.',
    text: 'k <= q && q - k <= stride || k <= q && (q - k) % stride == 0',
    fields: [field('stride', 'Stride', 32, 1)],
    build: ({ stride }) => strided(stride!).merged(),
  },
  {
    id: 'fixed',
    group: 'Sparse Transformer, both heads merged',
    label: 'Fixed',
    note: 'The own block, and the last keys of every block before.',
    text: 'k <= q && k / stride == q / stride || k <= q && k % stride >= stride - summary',
    fields: [field('stride', 'Stride', 64, 1), field('summary', 'Summary keys', 8, 1)],
    build: ({ stride, summary }) => fixed(stride!, { summary: summary! }).merged(),
  },
  {
    id: 'neighbourhood',
    group: 'Images',
    label: 'Neighbourhood',
    note: 'Pixels around a pixel; the length is width times height.',
    fields: [field('width', 'Width', 32, 1), field('kernel', 'Kernel (odd)', 7, 1)],
    build: ({ width, kernel }, { queryLength }) =>
      neighbourhood({
        width: width!,
        height: Math.ceil(queryLength / width!),
        kernel: kernel!,
      }),
  },
]

/** Lengths that add up to `total`, uneven but the same every time. */
function documentLengths(count: number, total: number): number[] {
  const weights = Array.from({ length: count }, (_, index) => 1 + ((index * 7919) % 13))
  const sum = weights.reduce((all, weight) => all + weight, 0)
  const ends = weights.map((_, index) =>
    Math.round(
      (total * weights.slice(0, index + 1).reduce((all, weight) => all + weight, 0)) / sum,
    ),
  )
  return ends.map((end, index) => end - (ends[index - 1] ?? 0))
}
