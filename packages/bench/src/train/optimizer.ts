// AdamW (Loshchilov and Hutter, arXiv 1711.05101) with the gradient's norm clipped, in jax-js arrays,
// compiled as one function. The registry has no optax of jax-js that goes with its version here.
import { jit, numpy as np, tree } from '@jax-js/jax'
import type { ModelWeights } from './model.ts'

/** Weights and what the optimizer remembers of their gradients. */
export interface TrainingState {
  readonly weights: ModelWeights
  /** Running mean of the gradients. */
  readonly first: ModelWeights
  /** Running mean of their squares. */
  readonly second: ModelWeights
  /** Steps made. */
  readonly step: number
}

/** Makes the steps of an optimizer. */
export interface Optimizer {
  /** The state after one more step; takes over the state and the gradients. */
  step(state: TrainingState, gradients: ModelWeights): TrainingState
  dispose(): void
}

const firstDecay = 0.9
const secondDecay = 0.99
const weightDecay = 0.01
const largestNorm = 1
/** Steps over which the rate rises to its full size. */
const warmUp = 20

/** The rate of a step, counted from 0: a ramp, then constant, so that a run may be made longer. */
export function rateOfStep(learningRate: number, step: number): number {
  return learningRate * Math.min(1, (step + 1) / warmUp)
}

/** AdamW at a rate that rises during the first steps. */
export function createOptimizer(learningRate: number): Optimizer {
  const update = jit(updateAll)
  return {
    step({ weights, first, second, step }, gradients) {
      const rates = {
        rate: np.array([rateOfStep(learningRate, step)]),
        firstCorrection: np.array([1 / (1 - firstDecay ** (step + 1))]),
        secondCorrection: np.array([1 / (1 - secondDecay ** (step + 1))]),
      }
      return { ...update(weights, gradients, first, second, rates), step: step + 1 }
    },
    dispose: () => update.dispose(),
  }
}

type Rates = { rate: np.Array; firstCorrection: np.Array; secondCorrection: np.Array }

function updateAll(
  weights: ModelWeights,
  gradients: ModelWeights,
  first: ModelWeights,
  second: ModelWeights,
  rates: Rates,
): { weights: ModelWeights; first: ModelWeights; second: ModelWeights } {
  const squares = tree
    .leaves<np.Array>(tree.ref(gradients))
    .map((gradient) => np.square(gradient).sum())
  const norm = np.sqrt(squares.reduce((sum, square) => sum.add(square)))
  const factor = np.minimum(np.array(largestNorm).div(norm.add(1e-6)), 1)

  const clipped = map((gradient) => gradient.mul(factor.ref), gradients)
  factor.dispose()
  const newFirst = map(
    (mean, gradient) => mean.mul(firstDecay).add(gradient.mul(1 - firstDecay)),
    first,
    tree.ref(clipped),
  )
  const newSecond = map(
    (mean, gradient) => mean.mul(secondDecay).add(np.square(gradient).mul(1 - secondDecay)),
    second,
    clipped,
  )
  const newWeights = map(
    (weight, mean, square) => {
      const deviation = np.sqrt(square.mul(rates.secondCorrection.ref)).add(1e-8)
      const direction = mean.mul(rates.firstCorrection.ref).div(deviation)
      // Gains are left alone, matrices shrink.
      const shrinking = weight.ndim > 1 ? direction.add(weight.ref.mul(weightDecay)) : direction
      return weight.sub(shrinking.mul(rates.rate.ref))
    },
    weights,
    tree.ref(newFirst),
    tree.ref(newSecond),
  )
  tree.dispose(rates)
  return { weights: newWeights, first: newFirst, second: newSecond }
}

function map(
  change: (...leaves: np.Array[]) => np.Array,
  ...trees: [ModelWeights, ...ModelWeights[]]
): ModelWeights {
  const [head, ...rest] = trees
  return tree.map<np.Array, np.Array, ModelWeights>(change, head, ...rest)
}
