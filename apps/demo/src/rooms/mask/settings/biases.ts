// The position biases and score modifiers to choose from.
import { softcap, type AttentionShape, type ScoreModifier } from '@attn/core'
import { alibi, t5Bias } from '@attn/positions'
import { normalNumbers } from '../run/inputs.ts'
import type { Field, Values } from '../../../forms/field.ts'

export interface BiasChoice {
  readonly id: string
  readonly label: string
  readonly note: string
  readonly fields: readonly Field[]
  /** The same as a visitor would write it, with its fields as names; undefined where no expression is that short. */
  readonly text?: string
  build(values: Values, shape: AttentionShape): readonly ScoreModifier[]
}

/** The choice to write a modifier; what is written is read by settings.ts. */
export const ownBias: BiasChoice = {
  id: 'own',
  label: 'Your own',
  note: 'Your own: the score s, q and k, h (head) of H, b (sequence), L, S; other names become numbers to set.',
  fields: [],
  build: () => [],
}

export const biasChoices: readonly BiasChoice[] = [
  {
    id: 'none',
    label: 'None',
    note: 'Scores as they are.',
    text: 's',
    fields: [],
    build: () => [],
  },
  ownBias,
  {
    id: 'alibi',
    label: 'ALiBi',
    note: 'A penalty that grows with distance, at another slope in each head.',
    // The slopes of ALiBi where the number of heads is a power of two.
    text: 's - pow(2, -8 * (h + 1) / H) * abs(q - k)',
    fields: [],
    build: (_, { heads }) => [alibi({ heads, direction: 'symmetric' })],
  },
  {
    id: 't5',
    label: 'T5 relative bias',
    note: 'A number for each head and bucket of distances; random here, learned in a model.',
    fields: [
      { name: 'buckets', label: 'Buckets', initial: 32, minimum: 4, maximum: 256 },
      { name: 'distance', label: 'Max distance', initial: 128, minimum: 2, maximum: 65536 },
    ],
    build: ({ buckets, distance }, { heads }) => [
      t5Bias({
        heads,
        bidirectional: true,
        buckets: buckets!,
        maxDistance: distance!,
        table: normalNumbers(buckets! * heads, 5),
      }),
    ],
  },
  {
    id: 'softcap',
    label: 'Softcap',
    note: 'Squashes scores smoothly into a band, as Gemma 2 does.',
    text: 'cap * tanh(s / cap)',
    fields: [{ name: 'cap', label: 'Cap', initial: 20, minimum: 0.1, maximum: 1000, step: 0.1 }],
    build: ({ cap }) => [softcap(cap!)],
  },
]
