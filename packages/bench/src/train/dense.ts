// The same model with jax-js's own dense attention, differentiated as a whole: what the segmented
// model is compared with.
import { jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax'
import { biasMatrix } from '@attn/positions'
import type { TrainingConfiguration } from './configuration.ts'
import { embed, finish, project, readLoss } from './model.ts'
import type { ModelWeights } from './model.ts'
import { modelArrays } from './model-arrays.ts'
import { denseDropout, denseMask, scoreModifiersOf } from './pattern.ts'
import type { TrainableModel } from './segments.ts'

/** What attention needs beside query, key and value; all may be broadcast to `[B, H, L, L]`. */
type DenseAttention = {
  /** True where a pair is visible. */
  mask: np.Array
  /** Added to the scores: ALiBi. */
  bias: np.Array
  /** For each layer, what dropout multiplies the probabilities by; empty without dropout. */
  dropout: np.Array[]
}

/** The model all in jax-js. */
export function createDenseModel(configuration: TrainingConfiguration): TrainableModel {
  const { batch, heads, context, layers, dropout } = configuration
  const arrays = modelArrays(configuration)
  const mask = np.array(denseMask(configuration), {
    shape: [1, heads, context, context],
    dtype: np.bool,
  })
  const [modifier] = scoreModifiersOf(configuration)
  const bias = modifier
    ? np.array(
        biasMatrix(modifier, { heads, queryLength: context }).storage as Float32Array<ArrayBuffer>,
        { shape: [1, heads, context, context] },
      )
    : np.zeros([1, heads, 1, 1])
  const differentiate = jit(
    valueAndGrad(
      (
        weights: ModelWeights,
        positions: np.Array,
        dense: DenseAttention,
        tokens: np.Array,
        targets: np.Array,
      ) => denseLoss(weights, positions, dense, tokens, targets, heads),
    ),
  )
  return {
    description: 'dense attention of jax-js',
    async gradients(weights, pieces, step) {
      const { tokens, targets } = arrays.batch(pieces)
      const dropped = Array.from({ length: dropout > 0 ? layers : 0 }, (_, layer) =>
        np.array(denseDropout(configuration, { step, layer }), {
          shape: [batch, heads, context, context],
        }),
      )
      const dense = { mask: mask.ref, bias: bias.ref, dropout: dropped }
      const [loss, gradients] = differentiate(
        tree.ref(weights),
        arrays.positions.ref,
        dense,
        tokens,
        targets,
      )
      return { loss, gradients: gradients }
    },
    destroy() {
      arrays.dispose()
      mask.dispose()
      bias.dispose()
      differentiate.dispose()
    },
  }
}

function denseLoss(
  weights: ModelWeights,
  positions: np.Array,
  dense: DenseAttention,
  tokens: np.Array,
  targets: np.Array,
  heads: number,
): np.Array {
  let stream = embed(weights.embedding, tokens).add(positions)
  for (const [layer, { project: before, finish: after }] of weights.layers.entries()) {
    const [query, key, value] = project(before, stream.ref, heads)
    const found = attend(query, key, value, dense.mask.ref, dense.bias.ref, dense.dropout[layer])
    stream = finish(after, stream, found)
  }
  dense.mask.dispose()
  dense.bias.dispose()
  return readLoss(weights.readout, stream, targets)
}

function attend(
  query: np.Array,
  key: np.Array,
  value: np.Array,
  mask: np.Array,
  bias: np.Array,
  dropout: np.Array | undefined,
): np.Array {
  if (!dropout) return nn.dotProductAttention(query, key, value, { mask, bias })
  // jax-js's function has no dropout: the same operations, with the pairs dropped that ours drops.
  const scale = 1 / Math.sqrt(query.shape.at(-1)!)
  const scores = np.einsum('BLNH,BSNH->BNLS', query, key).mul(scale).add(bias)
  const probabilities = nn.softmax(np.where(mask, scores, -Infinity), -1).mul(dropout)
  return np.einsum('BNLS,BSNH->BLNH', probabilities, value)
}
