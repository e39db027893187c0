// Gradients by the backward kernels on subgroup matrices, of float16 and of split float32, on tiles so small
// that a CPU compiles their text.
import { toFloat64Array } from '@attn/core'
import { expect } from 'vitest'
import type { AttendBackward } from '../../core/test/conformance/index.ts'
import type { BackwardTiles, FlashAttention, PlanOptions } from '../src/index.ts'
import { planSizes } from './plan-sizes.ts'
import type { MatrixKind, MatrixTile } from './small-matrix-tiles.ts'

/** Heads of a kind, for a tile. */
export function headDimOf({ matricesPerHead }: MatrixKind, { matrix }: MatrixTile): number {
  return matricesPerHead * Math.max(matrix.columns, matrix.depth)
}

/** Gradients by a plan with these tiles. */
export function gradientsWith(
  flash: FlashAttention,
  backwardTiles: BackwardTiles,
  change: Partial<PlanOptions> = {},
): AttendBackward {
  return async (query, key, value, dOutput, options) => {
    const plan = flash.plan({
      ...planSizes(query, key),
      dtype: query.dtype as PlanOptions['dtype'],
      ...options,
      ...change,
      training: true,
      backwardTiles,
    })
    const explained = plan.explain().backward!
    for (const kernel of Object.keys(backwardTiles) as ('query' | 'key')[]) {
      expect(explained[kernel].variant).toBe('subgroup-matrix')
    }
    const inputs = {
      query: flash.upload(query),
      key: flash.upload(key),
      value: flash.upload(value),
    }
    const forward = plan.forward(inputs)
    const gradients = plan.backward({ ...inputs, ...forward, dOutput: flash.upload(dOutput) })
    const { dQuery, dKey, dValue, dTables, dSinks } = gradients
    const numbers = async (view: Parameters<FlashAttention['download']>[0]) =>
      toFloat64Array(await flash.download(view))
    return {
      dQuery: await flash.download(dQuery),
      dKey: await flash.download(dKey),
      dValue: await flash.download(dValue),
      dTables: new Map(
        await Promise.all(
          [...dTables].map(async ([table, view]) => [table, await numbers(view)] as const),
        ),
      ),
      dSinks: dSinks && (await numbers(dSinks)),
    }
  }
}
