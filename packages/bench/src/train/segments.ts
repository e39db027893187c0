// The gradient of the model in segments: jax-js differentiates each piece by `vjp`, attention between
// them is somebody else's, and the chain rule that joins them is written out here. Each backward piece
// computes its forward piece again (Chen et al., arXiv 1604.06174), so that only the residual stream
// and attention's output are kept, and the whole piece is one function that jax-js compiles once.
import type { numpy as np } from '@jax-js/jax'
import { jit, tree, valueAndGrad, vjp } from '@jax-js/jax'
import type { SegmentAttention } from './attention.ts'
import type { TrainingConfiguration } from './configuration.ts'
import { embed, finish, project, readLoss } from './model.ts'
import type { FinishWeights, ModelWeights, ProjectWeights, ReadoutWeights } from './model.ts'
import { modelArrays } from './model-arrays.ts'
import type { AttentionTimes } from './pass-clock.ts'
import { positionsOf, readTables } from './positions.ts'
import type { Batch } from '../lab/data/batches.ts'

/** A model that can be trained. */
export interface TrainableModel {
  /** For people: who computes attention. */
  readonly description: string
  /**
   * Loss `[]` and its gradients by all weights, which stay the caller's.
   *
   * @param scale - What gradients are multiplied by while they pass the layers. Default: 1.
   */
  gradients(
    weights: ModelWeights,
    batch: Batch,
    step: number,
    scale?: number,
  ): Promise<{ loss: np.Array; gradients: ModelWeights }>
  /** What attention took in the last step, where its clock says. */
  readTimes?(): Promise<AttentionTimes | undefined>
  destroy(): void
}

/** The model with an attention of one's own between the segments, which is destroyed with it. */
export function createSegmentedModel(
  configuration: TrainingConfiguration,
  attention: SegmentAttention,
): TrainableModel {
  const arrays = modelArrays(configuration)
  const segments = compileSegments(configuration.heads)
  const { context, width } = configuration
  const { modifierTables, tables } = positionsOf(configuration)
  // Tables of embeddings, which are added before the first layer, and not those of a bias.
  const learned = tables.length > 0 && !modifierTables
  return {
    description: attention.description,
    async gradients(weights, batch, step, scale = 1) {
      const { tokens, targets } = arrays.batch(batch)
      if (modifierTables) attention.useTables(await readTables(weights.positions))
      let stream = segments.embed(weights.embedding.ref, tokens.ref).add(arrays.positions.ref)
      if (learned) stream = stream.add(weights.positions[0]!.ref.reshape([context, width]))
      const tape = []
      for (const [layer, { project, finish }] of weights.layers.entries()) {
        const inputs = segments.project(tree.ref(project), stream.ref)
        const attended = await attention.attend({ step, layer }, ...inputs)
        tape.push({ project, finish, stream, attended })
        stream = segments.finish(tree.ref(finish), stream.ref, attended.output.ref)
      }
      const readout = segments.readout(tree.ref(weights.readout), stream, targets)
      const scaled = (array: np.Array, by: number): np.Array => (by === 1 ? array : array.mul(by))
      const unscaled = (array: np.Array): np.Array => scaled(array, 1 / scale)
      let dStream = scaled(readout.dStream, scale)
      const layers: ModelWeights['layers'] = []
      let positions: np.Array[] = []
      for (const { project, finish, stream: kept, attended } of tape.toReversed()) {
        const [dFinish, dThrough, dOutput] = segments.finishBackward(
          tree.ref(finish),
          kept.ref,
          attended.output,
          dStream,
        )
        const dAttention = await attended.pullback(dOutput)
        const [dProject, dInto] = segments.projectBackward(
          tree.ref(project),
          kept,
          dAttention.inputs,
        )
        // All layers share the tables.
        positions = dAttention.tables.map((own, index) => positions[index]?.add(own) ?? own)
        layers.unshift({ project: dProject, finish: dFinish })
        dStream = dThrough.add(dInto)
      }
      if (learned) positions = [dStream.ref.sum(0).reshape([context * width])]
      const embedding = segments.embedBackward(weights.embedding.ref, tokens, dStream)
      const own = tree.map(unscaled, { embedding, layers, positions })
      // In the order of the weights: trees of arrays are matched leaf by leaf.
      const gradients = {
        embedding: own.embedding,
        layers: own.layers,
        readout: readout.dWeights,
        positions: own.positions,
      }
      return { loss: readout.loss, gradients }
    },
    readTimes: async () => attention.readTimes(),
    destroy() {
      arrays.dispose()
      attention.destroy()
      for (const segment of Object.values(segments)) segment.dispose()
    },
  }
}

function compileSegments(heads: number) {
  const projectHeads = (weights: ProjectWeights, stream: np.Array) =>
    project(weights, stream, heads)
  return {
    embed: jit(embed),
    project: jit(projectHeads),
    finish: jit(finish),
    readout: jit((weights: ReadoutWeights, stream: np.Array, targets: np.Array) => {
      const differentiate = valueAndGrad(readLoss, { argnums: [0, 1] })
      const [loss, [dWeights, dStream]] = differentiate(weights, stream, targets)
      return { loss, dWeights, dStream }
    }),
    finishBackward: jit(
      (weights: FinishWeights, stream: np.Array, found: np.Array, dStream: np.Array) => {
        const [output, pullback] = vjp(finish, [weights, stream, found])
        output.dispose()
        const gradients = pullback(dStream)
        pullback.dispose()
        return gradients
      },
    ),
    projectBackward: jit(
      (weights: ProjectWeights, stream: np.Array, gradients: [np.Array, np.Array, np.Array]) => {
        const [outputs, pullback] = vjp(projectHeads, [weights, stream])
        tree.dispose(outputs)
        const result = pullback(gradients)
        pullback.dispose()
        return result
      },
    ),
    embedBackward: jit((embedding: np.Array, tokens: np.Array, dStream: np.Array) => {
      const [stream, pullback] = vjp((matrix: np.Array) => embed(matrix, tokens), [embedding])
      stream.dispose()
      const [gradient] = pullback(dStream)
      pullback.dispose()
      return gradient
    }),
  }
}
