// Where a training run begins, and its way from jax-js's memory to plain numbers and back.
import type { Precision } from './configuration.ts'
import { numpy as np, tree } from '@jax-js/jax'
import type { TrainingConfiguration } from './configuration.ts'
import { assemble, disassemble } from './model.ts'
import { positionsOf } from './positions.ts'
import { initialWeights, weightSpecifications } from './weights.ts'
import type { WeightSpecification } from './weights.ts'
import type { TrainingState } from './optimizer.ts'

/** A training state as plain numbers, in the order of `trainingSpecifications`. */
export interface StateNumbers {
  readonly step: number
  readonly weights: readonly Float32Array<ArrayBuffer>[]
  readonly first: readonly Float32Array<ArrayBuffer>[]
  readonly second: readonly Float32Array<ArrayBuffer>[]
}

/** The state before the first step. */
export function initialState(
  configuration: TrainingConfiguration,
  vocabulary: number,
): StateNumbers {
  const weights = [
    ...weightSpecifications(configuration, vocabulary).map((specification, index) =>
      initialWeights(specification, index, configuration.seed),
    ),
    ...positionsOf(configuration).tables.map(({ values }) => values.slice()),
  ]
  const zeros = (): Float32Array<ArrayBuffer>[] =>
    weights.map(({ length }) => new Float32Array(length))
  return { step: 0, weights, first: zeros(), second: zeros() }
}

/**
 * The state with each weight one rounding away, up or down: what exact arithmetic would not notice.
 *
 * @param precision - Whose rounding. Default: that of float32.
 */
export function nudged(state: StateNumbers, precision: Precision = 'float32'): StateNumbers {
  const unit = precision === 'float16' ? 2 ** -10 : 2 ** -23
  const weights = state.weights.map((numbers) =>
    numbers.map((number, index) => number * (1 + (index % 2 === 0 ? 1 : -1) * unit)),
  )
  return { ...state, weights }
}

/** The state in arrays on jax-js's default device. */
export function placeState(
  { step, weights, first, second }: StateNumbers,
  specifications: readonly WeightSpecification[],
): TrainingState {
  const place = (numbers: readonly Float32Array<ArrayBuffer>[]) =>
    assemble(
      numbers.map((values, index) => {
        return np.array(values, { shape: [...specifications[index]!.shape] })
      }),
    )
  return { step, weights: place(weights), first: place(first), second: place(second) }
}

/** Reads a state, which stays as it is. */
export async function readState({
  step,
  weights,
  first,
  second,
}: TrainingState): Promise<StateNumbers> {
  const read = (arrays: TrainingState['weights']): Promise<Float32Array<ArrayBuffer>[]> =>
    Promise.all(
      disassemble(arrays).map(
        async (array) => (await array.ref.data()) as Float32Array<ArrayBuffer>,
      ),
    )
  return {
    step,
    weights: await read(weights),
    first: await read(first),
    second: await read(second),
  }
}

/** Frees a state. */
export function disposeState({ weights, first, second }: TrainingState): void {
  tree.dispose([weights, first, second])
}
