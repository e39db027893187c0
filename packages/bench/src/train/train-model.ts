// The training loop: draw a batch, differentiate, update, and tell how it goes.
import type { TrainingConfiguration } from './configuration.ts'
import type { WeightSpecification } from './weights.ts'
import { tree } from '@jax-js/jax'
import { areFinite, createLossScale } from './loss-scale.ts'
import { createOptimizer } from './optimizer.ts'
import type { AttentionTimes } from './pass-clock.ts'
import { positionsOf, settlePositions } from './positions.ts'
import type { TrainingState } from './optimizer.ts'
import type { TrainableModel } from './segments.ts'
import { disposeState, placeState } from './state.ts'
import type { StateNumbers } from './state.ts'
import { drawBatch } from '../lab/data/batches.ts'
import type { Corpus } from './text.ts'

/** One run of the loop. */
export interface TrainModelOptions {
  readonly model: TrainableModel
  readonly configuration: TrainingConfiguration
  readonly corpus: Corpus
  readonly specifications: readonly WeightSpecification[]
  readonly start: StateNumbers
  /** Steps in all, those before `start` counted. */
  readonly steps: number
  readonly onStep?: (done: number, loss: number) => void
  /** Told after each step; the state is the loop's and may only be read until it resolves. */
  readonly onState?: (state: TrainingState, losses: readonly number[]) => Promise<void>
}

/** How it went. */
export interface TrainedModel {
  /** Loss of each step, before its update. */
  readonly losses: readonly number[]
  /** Wall-clock time of each step; the first ones compile. */
  readonly milliseconds: readonly number[]
  /** What attention took of each of them, where a GPU's clock says; undefined where it does not. */
  readonly attention?: readonly AttentionTimes[]
  /** Of attention in float16: the scale of its gradients at the end, and steps made again with a smaller one. */
  readonly lossScale?: { readonly last: number; readonly retried: number }
}

/**
 * Trains a model.
 *
 * @throws Error when the loss is not a finite number.
 */
export async function trainModel(options: TrainModelOptions): Promise<TrainedModel> {
  const { model, configuration, corpus, specifications, start, steps } = options
  const optimizer = createOptimizer(configuration.learningRate)
  const positions = positionsOf(configuration)
  const scaling = configuration.precision === 'float16' ? createLossScale() : undefined
  const losses: number[] = []
  const milliseconds: number[] = []
  const attention: AttentionTimes[] = []
  let state = placeState(start, specifications)
  try {
    while (state.step < steps) {
      const began = performance.now()
      const batch = drawBatch(corpus.tokens, { ...configuration, step: state.step })
      const { loss, gradients } = await model.gradients(
        state.weights,
        batch,
        state.step,
        scaling?.scale,
      )
      if (scaling && !(await areFinite(gradients))) {
        scaling.overflowed()
        tree.dispose(gradients)
        loss.dispose()
        await model.readTimes?.()
        continue
      }
      scaling?.succeeded()
      state = await settlePositions(optimizer.step(state, gradients), positions)
      const number = (await loss.data())[0]!
      if (!Number.isFinite(number)) {
        throw new Error(`attn train: the loss of step ${state.step} is ${number}`)
      }
      losses.push(number)
      milliseconds.push(performance.now() - began)
      const times = await model.readTimes?.()
      if (times) attention.push(times)
      options.onStep?.(state.step, number)
      await options.onState?.(state, losses)
    }
    const lossScale = scaling && { last: scaling.scale, retried: scaling.retried }
    return {
      losses,
      milliseconds,
      ...(attention.length === losses.length && { attention }),
      ...(lossScale && { lossScale }),
    }
  } finally {
    disposeState(state)
    optimizer.dispose()
  }
}
