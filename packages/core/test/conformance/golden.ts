// The golden vectors as calls: inputs, options and what PyTorch made of them.
import { softcap, tensorFrom } from '../../src/index.ts'
import type { AttentionOptions, AttentionShape, Mask, Table, Tensor } from '../../src/index.ts'
import golden from '../golden/attention.json' with { type: 'json' }
import { fill } from './fill.ts'
import {
  alibi,
  causal,
  causalDocuments,
  distantPast,
  fixed,
  prefixLm,
  slidingWindow,
  strided,
  t5Bias,
} from './patterns.ts'

/** One golden case. All tensors are float64. */
export interface GoldenCase {
  readonly name: string
  readonly shape: AttentionShape
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
  readonly dOutput: Tensor
  readonly options: AttentionOptions
  /** Trainable tables of the options. */
  readonly tables: readonly Table[]
  readonly output: Float64Array
  readonly logSumExp: Float64Array
  readonly dQuery: Float64Array
  readonly dKey: Float64Array
  readonly dValue: Float64Array
}

interface StoredCase extends AttentionShape {
  readonly name: string
  readonly seed: number
  readonly spec: StoredSpec
  readonly output: readonly number[]
  /** null is -Infinity. */
  readonly logSumExp: readonly (number | null)[]
  readonly dQ: readonly number[]
  readonly dK: readonly number[]
  readonly dV: readonly number[]
}

interface StoredSpec {
  readonly mask?: string | null
  readonly bias?: 'alibi' | 't5'
  readonly left?: number
  readonly right?: number
  readonly slopes?: readonly number[]
  readonly numBuckets?: number
  readonly maxDistance?: number
  readonly bidirectional?: boolean
  readonly table?: { readonly seed: number; readonly shape: readonly number[] }
  readonly softcap?: number
  readonly stride?: number
  readonly summary?: number
  readonly documents?: readonly number[]
  readonly prefix?: number
}

const inputScale = 2 // of queries and keys

/** The 18 golden cases. */
export function goldenCases(): GoldenCase[] {
  return (golden.cases as readonly StoredCase[]).map((stored) => {
    const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim, seed } = stored
    const shape = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
    const random = (offset: number, dims: readonly number[], scale: number): Tensor =>
      fill(seed + offset, dims, scale, 'float64')
    return {
      name: stored.name,
      shape,
      query: random(0, [batch, heads, queryLength, headDim], inputScale),
      key: random(1, [batch, kvHeads, keyLength, headDim], inputScale),
      value: random(2, [batch, kvHeads, keyLength, valueDim], 1),
      dOutput: random(3, [batch, heads, queryLength, valueDim], 1),
      ...optionsOf(stored.spec),
      output: Float64Array.from(stored.output),
      logSumExp: Float64Array.from(stored.logSumExp, (value) => value ?? -Infinity),
      dQuery: Float64Array.from(stored.dQ),
      dKey: Float64Array.from(stored.dK),
      dValue: Float64Array.from(stored.dV),
    }
  })
}

function optionsOf(spec: StoredSpec): Pick<GoldenCase, 'options' | 'tables'> {
  const mask = maskOf(spec)
  const masked = mask ? { mask } : {}
  if (spec.bias === 'alibi') {
    return { options: { ...masked, scoreModifiers: [alibi(spec.slopes!)] }, tables: [] }
  }
  if (spec.bias === 't5') {
    const { numBuckets, maxDistance, bidirectional, table: stored } = spec
    const values = fill(stored!.seed, stored!.shape, 1, 'float64').storage as Float64Array
    const { table, modifier } = t5Bias(values, stored!.shape[1]!, {
      numBuckets: numBuckets!,
      maxDistance: maxDistance!,
      bidirectional: bidirectional!,
    })
    return { options: { ...masked, scoreModifiers: [modifier] }, tables: [table.table] }
  }
  if (spec.softcap) {
    return { options: { ...masked, scoreModifiers: [softcap(spec.softcap)] }, tables: [] }
  }
  return { options: masked, tables: [] }
}

function maskOf(spec: StoredSpec): Mask | undefined {
  switch (spec.mask ?? undefined) {
    case undefined:
      return undefined
    case 'causal':
      return causal
    case 'slidingWindow':
      return slidingWindow(spec.left!, spec.right!)
    case 'strided':
      return strided(spec.stride!)
    case 'fixed':
      return fixed(spec.stride!, spec.summary!)
    case 'document & causal':
      return causalDocuments(spec.documents!)
    case 'prefixLM':
      return prefixLm(spec.prefix!)
    case 'key < query - 2':
      return distantPast
    default:
      throw new Error(`golden: no mask for ${spec.mask}`)
  }
}

/** A golden case's inputs in another dtype. */
export function goldenInputs(
  golden: GoldenCase,
  dtype: 'float32' | 'float64',
): { readonly query: Tensor; readonly key: Tensor; readonly value: Tensor } {
  const convert = ({ storage, shape }: Tensor): Tensor => tensorFrom(storage, shape, dtype)
  return {
    query: convert(golden.query),
    key: convert(golden.key),
    value: convert(golden.value),
  }
}
