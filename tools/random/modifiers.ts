// Score modifiers as plain data: those of @attn/positions, soft caps, biases handed over as tensors, and
// smooth expressions of score and position.
import {
  biasFromTensor,
  floatParameter,
  floatTable,
  scoreModifier,
  softcap,
} from '../../packages/core/src/index.ts'
import type { AttentionShape, ScoreModifier } from '../../packages/core/src/index.ts'
import { alibi, kerpleLog, sandwich, t5Bias } from '../../packages/positions/src/index.ts'
import { chooser } from './chooser.ts'
import type { Chooser } from './chooser.ts'
import { buildInteger, drawInteger } from './expression-trees.ts'
import type { ModifierData } from './problem.ts'

interface ModifierKind {
  readonly draw: (choose: Chooser) => readonly number[]
  readonly build: (
    numbers: readonly number[],
    shape: AttentionShape,
    choose: Chooser,
  ) => ScoreModifier
  /** Whether it is indexed by rows of tensors, which packed sequences do not have. Default: false. */
  readonly byRow?: true
}

const temperature = floatParameter('temperature', { minimum: 0.1, maximum: 10 })

/** Values of the parameters that modifiers use. */
export const parameterValues: Readonly<Record<string, number>> = { temperature: 1.5 }

/** What Hugging Face's additive masks hold where nothing is to be seen. */
const lowest = -3.4028234663852886e38

function bias(
  repeated: readonly number[],
  { batch, heads, queryLength, keyLength }: AttentionShape,
  entry: () => number,
): ScoreModifier {
  const sizes = [batch, heads, queryLength, keyLength].map((size, axis) =>
    repeated[axis] === 1 ? 1 : size,
  ) as [number, number, number, number]
  const count = sizes.reduce((product, size) => product * size, 1)
  return biasFromTensor(Float32Array.from({ length: count }, entry), sizes)
}

const axes = (choose: Chooser): number[] => [0, 1, 2, 3].map(() => choose.integer(0, 1))

const kinds: Readonly<Record<string, ModifierKind>> = {
  softcap: { draw: (choose) => [choose.of([1, 5, 30])], build: ([cap]) => softcap(cap!) },
  alibi: {
    draw: (choose) => [choose.integer(0, 1)],
    build: ([side], { heads }) => alibi({ heads, direction: side === 0 ? 'causal' : 'symmetric' }),
  },
  t5: {
    draw: (choose) => [choose.of([8, 32]), choose.integer(0, 1)],
    build: ([buckets, bidirectional], { heads }, choose) =>
      t5Bias({
        heads,
        buckets: buckets!,
        maxDistance: 64,
        bidirectional: bidirectional === 1,
        table: Float32Array.from({ length: buckets! * heads }, () => 2 * choose.fraction() - 1),
      }),
  },
  kerple: { draw: () => [], build: (_, { heads }) => kerpleLog({ heads }) },
  sandwich: {
    draw: () => [],
    // One distance for calls of all lengths: it is in the kernel's text.
    build: (_, { heads }) => sandwich({ heads, maxDistance: 2400, dim: 8 }),
  },
  temperature: {
    draw: () => [],
    build: () => scoreModifier('temperature', (score) => score.div(temperature)),
  },
  bias: {
    draw: axes,
    build: (repeated, shape, choose) => bias(repeated, shape, () => 4 * choose.fraction() - 2),
    byRow: true,
  },
  'bias of -Infinity': {
    draw: axes,
    build: (repeated, shape, choose) =>
      bias(repeated, shape, () => (choose.chance(0.4) ? -Infinity : 0)),
    byRow: true,
  },
  'bias of the lowest float32': {
    draw: axes,
    build: (repeated, shape, choose) =>
      bias(repeated, shape, () => (choose.chance(0.5) ? lowest : 0)),
    byRow: true,
  },
  'trainable bias of heads': {
    draw: () => [],
    build: (_, { heads }, choose) => {
      const table = floatTable(
        'headBias',
        Float32Array.from({ length: heads }, () => choose.fraction()),
        [heads],
        { trainable: true },
      )
      return scoreModifier('headBias', (score, { head, query, key }) =>
        score.add(table.at(head).mul(query.sub(key).abs().min(20).toFloat()).mul(0.1)),
      )
    },
  },
}

const names = Object.keys(kinds)

/** Draws a modifier; `packed`: whether sequences are. */
export function drawModifier(choose: Chooser, packed: boolean): ModifierData {
  if (choose.chance(0.15)) {
    const weights = [choose.of([0.5, 1, 2]), choose.of([-0.1, 0.05])] as const
    return { tree: drawInteger(choose, 2), weights }
  }
  const modifier = choose.of(packed ? names.filter((name) => !kinds[name]!.byRow) : names)
  return { modifier, numbers: kinds[modifier]!.draw(choose) }
}

/**
 * Whether a modifier may hide every key of a row by the lowest float32. Such calls are not cut: dispatches merge
 * by log-sum-exp, which cannot hold log(n) beside -3.4e38, so that each would weigh the same whatever
 * number of keys it saw (docs/guide/conventions.md says so).
 */
export function hidesRows(data: ModifierData): boolean {
  return 'modifier' in data && data.modifier === 'bias of the lowest float32'
}

/** Whether a modifier uses the parameters. */
export function usesParameters(data: ModifierData): boolean {
  return 'modifier' in data && data.modifier === 'temperature'
}

/** The modifier for a call. */
export function buildModifier(
  data: ModifierData,
  shape: AttentionShape,
  seed: number,
): ScoreModifier {
  if ('modifier' in data) return kinds[data.modifier]!.build(data.numbers, shape, chooser(seed))
  const [ofScore, ofPosition] = data.weights
  const position = buildInteger(data.tree).min(40).max(-40).toFloat().mul(ofPosition)
  return scoreModifier('tree', (score) => score.mul(ofScore).tanh().add(position))
}
