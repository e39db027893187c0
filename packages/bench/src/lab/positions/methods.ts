// The position methods of the laboratory, each by the public API of @attn/positions: embeddings that are
// added before the first layer, rotary embeddings of queries and keys, or a bias of the scores.
import { tensor } from '@attn/core'
import type { RotaryEmbedding, ScoreModifier, Table } from '@attn/core'
import {
  alibi,
  fire,
  kerpleLog,
  learnedPositions,
  ropeFrequencies,
  sinusoidal,
  t5Bias,
} from '@attn/positions'
import type { RopeConfig } from '@attn/positions'
import { hash, normalArray } from '../../inputs/normal.ts'

/** The methods by name; the four of the ALiBi paper's figure are `paperMethods`. */
export const positionMethodNames = [
  'none',
  'sinusoidal',
  'learned',
  'rope',
  't5',
  'alibi',
  'kerple',
  'fire',
] as const
/** The name of one. */
export type PositionMethodName = (typeof positionMethodNames)[number]

/** Those that the lecture's figure compares. */
export const paperMethods = ['sinusoidal', 'rope', 't5', 'alibi'] as const

/** Their names for people. */
export const positionMethodTitles: Readonly<Record<PositionMethodName, string>> = {
  none: 'none',
  sinusoidal: 'sinusoidal',
  learned: 'learned',
  rope: 'RoPE',
  t5: 'T5 bias',
  alibi: 'ALiBi',
  kerple: 'KERPLE-log',
  fire: 'FIRE',
}

/** Numbers that are trained with the weights. */
export interface TrainedTable {
  readonly name: string
  readonly shape: readonly number[]
  /** Read by the method; training changes them in place. */
  readonly values: Float32Array<ArrayBuffer>
}

/** A position method with its parameters. */
export interface PositionModel {
  readonly tables: readonly TrainedTable[]
  /** Added to scores. */
  readonly modifier?: ScoreModifier | undefined
  /** The modifier's tables, in the order of `tables`. */
  readonly modifierTables?: readonly Table[] | undefined
  /** `[length, width]` for a length, which may exceed the trained one. */
  embeddings?(length: number): Float32Array
  /** Turns queries and keys of a sequence of a length. */
  rotary?(length: number): RotaryEmbedding
  /** Puts parameters back where they belong, after each step. */
  clamp?(): void
}

/** What a method has to fit. */
export interface PositionModelOptions {
  /** H: heads. */
  readonly heads: number
  /** Numbers of a token between layers: heads times head dim. */
  readonly width: number
  /** L: positions that training sees. */
  readonly trainedLength: number
  /** Of initial parameters. */
  readonly seed: number
  /** How RoPE is extended; see `RopeConfig`. Default: not at all. */
  readonly rope?: RopeScaling | undefined
}

/** A rotary configuration without the size of heads, which the model has. */
export type RopeScaling = RopeConfig extends infer Kind
  ? Kind extends RopeConfig
    ? Omit<Kind, 'headDim'>
    : never
  : never

/** FIRE's hidden units; its paper has 32. */
const fireUnits = 8

/** A position method with initial parameters. */
export function createPositionModel(
  name: PositionMethodName,
  options: PositionModelOptions,
): PositionModel {
  const { heads, width, trainedLength } = options
  switch (name) {
    case 'none':
      return { tables: [] }
    case 'sinusoidal':
      return {
        tables: [],
        embeddings: (length) =>
          sinusoidal({ dim: width, positions: length }).storage as Float32Array,
      }
    case 'learned':
      return learned(options)
    case 'rope': {
      const config = { ...options.rope, headDim: width / heads } as RopeConfig
      return {
        tables: [],
        rotary: (length) => ropeFrequencies(config, { sequenceLength: length }),
      }
    }
    case 'alibi':
      return { tables: [], modifier: alibi({ heads }) }
    case 't5': {
      // Buckets that end below L, so that training sees all of them.
      const maxDistance = Math.max(17, Math.floor(trainedLength / 2))
      const table = new Float32Array(32 * heads)
      const bias = t5Bias({ heads, bidirectional: false, maxDistance, table })
      return withModifier(bias, [bias.table])
    }
    case 'kerple': {
      const bias = kerpleLog({ heads })
      return { ...withModifier(bias, bias.tables), clamp: () => bias.clamp() }
    }
    case 'fire': {
      const numbers = (stream: number, count: number, deviation: number): Float32Array =>
        normalArray((hash(options.seed ^ 0x66697265) + stream) >>> 0, count).map(
          (value) => value * deviation,
        )
      const bias = fire({
        heads,
        inputWeights: numbers(0, fireUnits, 0.5),
        inputBiases: numbers(1, fireUnits, 0.5),
        outputWeights: numbers(2, heads * fireUnits, 1 / Math.sqrt(fireUnits)),
        outputBiases: new Float32Array(heads),
        // A quarter of L, as 512 is of the 2,048 of its paper.
        threshold: trainedLength / 4,
      })
      return withModifier(bias, Object.values(bias.tables))
    }
  }
}

function learned({ width, trainedLength, seed }: PositionModelOptions): PositionModel {
  const shape = [trainedLength, width]
  const stream = hash(seed ^ 0x6c6561726e)
  const values = normalArray(stream, trainedLength * width).map((value) => value * 0.1)
  const table = tensor(values, shape)
  return {
    tables: [{ name: 'learned', shape, values }],
    embeddings: (length) =>
      learnedPositions(
        table,
        Int32Array.from({ length }, (_, position) => position),
        {
          outOfRange: 'clamp',
        },
      ).storage as Float32Array,
  }
}

function withModifier(modifier: ScoreModifier, tables: readonly Table[]): PositionModel {
  return {
    modifier,
    modifierTables: tables,
    tables: tables.map(({ name, shape, values }) => ({
      name,
      shape,
      values: values as Float32Array<ArrayBuffer>,
    })),
  }
}
