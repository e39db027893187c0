// What stands between the segments of the model: attention of jax-js arrays with a pullback, as `vjp`
// would give one, computed by somebody else than jax-js. This one is the CPU reference of @attn/core;
// arrays of jax-js's Wasm backend go through typed arrays, since it does not lend its memory.
import { flashAttention, flashAttentionBackward, tensor, toContiguous } from '@attn/core'
import type { Table, Tensor } from '@attn/core'
import { rotate, rotateBackward } from '@attn/positions'
import { numpy as np } from '@jax-js/jax'
import type { TrainingConfiguration } from './configuration.ts'
import { attentionOptions } from './pattern.ts'
import type { AttentionTimes } from './pass-clock.ts'
import { loadPositions, positionsOf } from './positions.ts'

/** Which attention of a run is computed: dropout is another one each time. */
export interface AttentionCall {
  readonly step: number
  readonly layer: number
}

/** Gradients of what attention was computed from. */
export interface AttentionGradients {
  /** Of query, key and value, each `[B, L, H, D]`. */
  readonly inputs: [dQuery: np.Array, dKey: np.Array, dValue: np.Array]
  /** Of the tables of a trained bias, flat, in their order. */
  readonly tables: np.Array[]
}

/** An output and how to go back from it. */
export interface AttendedSegment {
  /** `[B, L, H, D]`. */
  readonly output: np.Array
  /** Takes over the gradient of the output; to be called once, which frees what was kept for it. */
  pullback(dOutput: np.Array): Promise<AttentionGradients>
}

/** Attention between segments. */
export interface SegmentAttention {
  /** For people: who computes it and how arrays get there. */
  readonly description: string
  /** The tables of a trained bias for all calls that follow. */
  useTables(values: readonly Float32Array[]): void
  /** Takes over query, key and value, each `[B, L, H, D]`. */
  attend(
    call: AttentionCall,
    query: np.Array,
    key: np.Array,
    value: np.Array,
  ): Promise<AttendedSegment>
  /** What the calls since the last time it was asked took, where a clock says. */
  readTimes(): Promise<AttentionTimes | undefined>
  destroy(): void
}

/** Attention on the CPU, exact and slow. */
export function createCpuAttention(configuration: TrainingConfiguration): SegmentAttention {
  const positions = positionsOf(configuration)
  const rotary = positions.rotary?.(configuration.context)
  const turn = (rows: Tensor): Tensor => (rotary ? rotate(rows, rotary) : rows)
  const turnBack = (rows: Tensor): Tensor => (rotary ? rotateBackward(rows, rotary) : rows)
  return {
    description: 'flash attention of @attn/core in JavaScript; arrays are copied',
    useTables: (values) => loadPositions(positions, values),
    async attend(call, queryArray, keyArray, valueArray) {
      const options = attentionOptions(configuration, positions, call)
      const inputs = await Promise.all([queryArray, keyArray, valueArray].map(receive))
      const [query, key, value] = [turn(inputs[0]!), turn(inputs[1]!), inputs[2]!]
      const forward = flashAttention(query, key, value, options)
      return {
        output: send(forward.output),
        async pullback(dOutputArray) {
          const dOutput = await receive(dOutputArray)
          const { dQuery, dKey, dValue, dTables } = flashAttentionBackward(
            query,
            key,
            value,
            forward,
            dOutput,
            options,
          )
          const inputs = [turnBack(dQuery), turnBack(dKey), dValue].map(send)
          return {
            inputs: inputs as AttentionGradients['inputs'],
            tables: (positions.modifierTables ?? []).map((table) => sendTable(dTables, table)),
          }
        },
      }
    },
    readTimes: async () => undefined,
    destroy: () => {},
  }
}

/** Strides of `[B, L, H, D]` in the order of the axes `[B, H, L, D]`: no copy is needed. */
export function headStrides([, length, heads, dim]: readonly number[]): number[] {
  return [length! * heads! * dim!, dim!, heads! * dim!, 1]
}

/** The shape `[B, H, L, D]` of an array `[B, L, H, D]`, and the reverse. */
export function swapHeads([batch, length, heads, dim]: readonly number[]): number[] {
  return [batch!, heads!, length!, dim!]
}

async function receive(array: np.Array): Promise<Tensor> {
  const { shape } = array
  const data = (await array.data()) as Float32Array
  return tensor(data, swapHeads(shape), { strides: headStrides(shape) })
}

function send(result: Tensor): np.Array {
  const swapped = { ...result, shape: swapHeads(result.shape), strides: swapHeads(result.strides) }
  const { storage, shape } = toContiguous(swapped)
  return np.array(storage as Float32Array<ArrayBuffer>, { shape: [...shape] })
}

function sendTable(gradients: ReadonlyMap<Table, Float64Array>, table: Table): np.Array {
  return np.array(Float32Array.from(gradients.get(table)!))
}
