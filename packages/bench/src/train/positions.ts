// Where order comes from in a training run: a position method of the laboratory, which stands on the public API of
// @attn/positions. Tables of the trained ones (T5, KERPLE, FIRE, learned) are weights like all others, but flat, since
// AdamW shrinks what has two axes.
import { numpy as np } from '@jax-js/jax'
import { createPositionModel } from '../lab/positions/methods.ts'
import type { PositionModel } from '../lab/positions/methods.ts'
import type { TrainingConfiguration } from './configuration.ts'
import type { TrainingState } from './optimizer.ts'
import { weightSpecifications } from './weights.ts'
import type { WeightSpecification } from './weights.ts'

/** The method of a configuration, with initial parameters; buckets and thresholds follow the context. */
export function positionsOf({
  positions,
  heads,
  width,
  context,
  seed,
}: TrainingConfiguration): PositionModel {
  return createPositionModel(positions, { heads, width, trainedLength: context, seed })
}

/** All arrays that are trained: the decoder's, then the tables of its position method. */
export function trainingSpecifications(
  configuration: TrainingConfiguration,
  vocabulary: number,
): WeightSpecification[] {
  const tables = positionsOf(configuration).tables.map(({ name, values }) => {
    return { name: `positions.${name}`, shape: [values.length] }
  })
  return [...weightSpecifications(configuration, vocabulary), ...tables]
}

/** Gives a method the parameters of a step. */
export function loadPositions({ tables }: PositionModel, values: readonly Float32Array[]): void {
  tables.forEach((table, index) => table.values.set(values[index]!))
}

/** The tables in jax-js as numbers; the arrays stay the caller's. */
export function readTables(arrays: readonly np.Array[]): Promise<Float32Array[]> {
  return Promise.all(arrays.map(async (array) => (await array.ref.data()) as Float32Array))
}

/** After an update: parameters that left their range are put back on its edge. Takes over the state. */
export async function settlePositions(
  state: TrainingState,
  model: PositionModel,
): Promise<TrainingState> {
  if (!model.clamp) return state
  const { weights } = state
  loadPositions(model, await readTables(weights.positions))
  model.clamp()
  for (const array of weights.positions) array.dispose()
  const positions = model.tables.map(({ values }) => np.array(values.slice()))
  return { ...state, weights: { ...weights, positions } }
}
