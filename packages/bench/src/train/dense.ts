// The same model with jax-js's own dense attention, differentiated as a whole: what the segmented
// model is compared with.
import { jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax'
import { rotaryTables } from '@attn/positions'
import type { PositionModel } from '../lab/positions/methods.ts'
import type { TrainingConfiguration } from './configuration.ts'
import { createDenseBias } from './dense-bias.ts'
import { embed, finish, project, readLoss } from './model.ts'
import type { ModelWeights } from './model.ts'
import { modelArrays } from './model-arrays.ts'
import { layersThatDiffer } from './masks.ts'
import { denseDropout, denseMask } from './pattern.ts'
import { positionsOf } from './positions.ts'
import type { TrainableModel } from './segments.ts'

/** What attention needs beside query, key, value and bias; all may be broadcast to `[B, H, L, L]`. */
type DenseAttention = {
  /** For each layer, or as many as differ: 1 where a pair is visible, else 0. */
  masks: np.Array[]
  /** Cosines and sines that turn queries and keys, each `[1, L, 1, D]`; empty without. */
  angles: np.Array[]
  /** For each layer, what dropout multiplies the probabilities by; empty without dropout. */
  dropout: np.Array[]
}

/** The weights without tables. */
type DecoderWeights = Omit<ModelWeights, 'positions'>
/** Where order comes from, by which the loss is differentiated too where it is trained. */
type DensePositions = {
  /** `[L, C]`, added before the first layer. */
  embeddings: np.Array
  /** `[1, H, L, L]` or less, added to the scores. */
  bias: np.Array
}

/** The model all in jax-js. */
export function createDenseModel(configuration: TrainingConfiguration): TrainableModel {
  const { batch, heads, context, width, layers, dropout } = configuration
  const arrays = modelArrays(configuration)
  const positions = positionsOf(configuration)
  const bias = createDenseBias(configuration, positions)
  const learned = positions.tables.length > 0 && !bias.trained
  const masks = Array.from({ length: layersThatDiffer(configuration, layers) }, (_, layer) =>
    np.array(Float32Array.from(denseMask(configuration, layer)), {
      shape: [1, heads, context, context],
    }),
  )
  const angles = denseAngles(configuration, positions)
  const differentiate = jit(
    valueAndGrad(
      (
        weights: DecoderWeights,
        order: DensePositions,
        dense: DenseAttention,
        tokens: np.Array,
        targets: np.Array,
      ) => denseLoss(weights, order, dense, tokens, targets, heads),
      { argnums: [0, 1] },
    ),
  )
  return {
    description: 'dense attention of jax-js',
    async gradients({ positions: tables, ...weights }, pieces, step) {
      const { tokens, targets } = arrays.batch(pieces)
      const dropped = Array.from({ length: dropout > 0 ? layers : 0 }, (_, layer) =>
        np.array(denseDropout(configuration, { step, layer }), {
          shape: [batch, heads, context, context],
        }),
      )
      const shape = [context, width]
      const [loss, [gradients, dOrder]] = differentiate(
        tree.ref(weights),
        {
          embeddings: learned ? tables[0]!.ref.reshape(shape) : arrays.positions.ref,
          bias: await bias.at(tables),
        },
        { ...tree.ref({ masks, angles }), dropout: dropped },
        tokens,
        targets,
      )
      const dTables = await bias.pullback(dOrder.bias)
      const dEmbeddings = dOrder.embeddings.reshape([context * width])
      if (learned) return { loss, gradients: { ...gradients, positions: [dEmbeddings] } }
      dEmbeddings.dispose()
      return { loss, gradients: { ...gradients, positions: dTables } }
    },
    destroy() {
      arrays.dispose()
      bias.dispose()
      tree.dispose({ masks, angles })
      differentiate.dispose()
    },
  }
}

function denseLoss(
  weights: DecoderWeights,
  { embeddings, bias }: DensePositions,
  dense: DenseAttention,
  tokens: np.Array,
  targets: np.Array,
  heads: number,
): np.Array {
  let stream = embed(weights.embedding, tokens).add(embeddings)
  const { masks, angles, dropout } = dense
  for (const [layer, { project: before, finish: after }] of weights.layers.entries()) {
    const [query, key, value] = project(before, stream.ref, heads)
    const found = attend(turn(query, angles), turn(key, angles), value, {
      mask: masks[layer % masks.length]!.ref,
      bias: bias.ref,
      dropout: dropout[layer],
    })
    stream = finish(after, stream, found)
  }
  tree.dispose({ masks, angles, bias })
  return readLoss(weights.readout, stream, targets)
}

/** Turns element j with j + D / 2. */
function turn(rows: np.Array, angles: readonly np.Array[]): np.Array {
  const [cosines, sines] = angles
  if (!cosines || !sines) return rows
  const [low, high] = np.split(rows.ref, 2, -1) as [np.Array, np.Array]
  const turned = np.concatenate([high.mul(-1), low], -1)
  return rows.mul(cosines.ref).add(turned.mul(sines.ref))
}

/** Scores, probabilities, values; a query that sees nothing gets zeros, as in this library. */
function attend(
  query: np.Array,
  key: np.Array,
  value: np.Array,
  { mask, bias, dropout }: { mask: np.Array; bias: np.Array; dropout: np.Array | undefined },
): np.Array {
  const scale = 1 / Math.sqrt(query.shape.at(-1)!)
  const scores = np.einsum('BLNH,BSNH->BNLS', query, key).mul(scale).add(bias)
  const hidden = np.where(np.greater(mask.ref, 0.5), scores, -1e30)
  const visible = nn.softmax(hidden, -1).mul(mask)
  const probabilities = dropout ? visible.mul(dropout) : visible
  return np.einsum('BNLS,BSNH->BLNH', probabilities, value)
}

function denseAngles(
  { context, width, heads }: TrainingConfiguration,
  positions: PositionModel,
): np.Array[] {
  const rotary = positions.rotary?.(context)
  if (!rotary) return []
  const { cos, sin } = rotaryTables(rotary, context, { columns: 'elements' })
  return [cos, sin].map((table) => np.array(table, { shape: [1, context, 1, width / heads] }))
}
