// A decoder as in "Attention Is All You Need" (arXiv 1706.03762) with normalization before each part
// (RMSNorm, arXiv 1910.07467) and without biases, in jax-js, in pieces: all that lies between two
// attentions. Whoever puts attention between them decides who computes it.
//
// jax-js counts references: every function takes over its arguments, and `.ref` keeps one.
import { nn, numpy as np } from '@jax-js/jax'

/** Before attention: `[C]` and three `[C, C]`. */
export type ProjectWeights = {
  gain: np.Array
  query: np.Array
  key: np.Array
  value: np.Array
}

/** After attention: `[C, C]`, `[C]`, `[C, 4 C]`, `[4 C, C]`. */
export type FinishWeights = {
  projection: np.Array
  gain: np.Array
  expand: np.Array
  contract: np.Array
}

/** After the last layer: `[C]`, `[C, V]`. */
export type ReadoutWeights = { gain: np.Array; matrix: np.Array }

/** All weights; V characters, C the width. */
export type ModelWeights = {
  /** `[V, C]`. */
  embedding: np.Array
  layers: { project: ProjectWeights; finish: FinishWeights }[]
  readout: ReadoutWeights
  /** Tables of the position method, flat; empty for methods that have none. */
  positions: np.Array[]
}

/** Names the arrays of a list; takes them over. */
export function assemble(list: readonly np.Array[]): ModelWeights {
  const arrays = [...list]
  const next = (): np.Array => arrays.shift()!
  // A position method has at most four tables.
  const layers = Math.floor((list.length - 3) / 8)
  const embedding = next()
  return {
    embedding,
    layers: Array.from({ length: layers }, () => ({
      project: { gain: next(), query: next(), key: next(), value: next() },
      finish: { projection: next(), gain: next(), expand: next(), contract: next() },
    })),
    readout: { gain: next(), matrix: next() },
    positions: arrays,
  }
}

/** The arrays in the order of `trainingSpecifications`; no references are taken. */
export function disassemble({ embedding, layers, readout, positions }: ModelWeights): np.Array[] {
  const ofLayers = layers.flatMap(({ project, finish }) => {
    const { query, key, value } = project
    const { projection, expand, contract } = finish
    return [project.gain, query, key, value, projection, finish.gain, expand, contract]
  })
  return [embedding, ...ofLayers, readout.gain, readout.matrix, ...positions]
}

/** Tokens `[B, L]` to the residual stream `[B, L, C]`, as a product, whose gradient is one too. */
export function embed(embedding: np.Array, tokens: np.Array): np.Array {
  const [vocabulary] = embedding.shape as [number]
  return np.matmul(nn.oneHot(tokens, vocabulary), embedding)
}

/** The residual stream to query, key and value, each `[B, L, H, D]`. */
export function project(
  weights: ProjectWeights,
  stream: np.Array,
  heads: number,
): [query: np.Array, key: np.Array, value: np.Array] {
  const [batch, length, width] = stream.shape as [number, number, number]
  const normalized = normalize(stream, weights.gain)
  const headsOf = (matrix: np.Array): np.Array =>
    np.matmul(normalized.ref, matrix).reshape([batch, length, heads, width / heads])
  const result = [headsOf(weights.query), headsOf(weights.key), headsOf(weights.value)] as const
  normalized.dispose()
  return [...result]
}

/** What attention found `[B, L, H, D]` joins the residual stream, then the feed-forward part does. */
export function finish(weights: FinishWeights, stream: np.Array, found: np.Array): np.Array {
  const joined = np.matmul(found.reshape(stream.shape), weights.projection).add(stream)
  const normalized = normalize(joined.ref, weights.gain)
  const hidden = nn.gelu(np.matmul(normalized, weights.expand))
  return np.matmul(hidden, weights.contract).add(joined)
}

/** Mean cross-entropy in nats of the residual stream against the tokens that follow. */
export function readLoss(weights: ReadoutWeights, stream: np.Array, targets: np.Array): np.Array {
  const [, vocabulary] = weights.matrix.shape as [number, number]
  const logits = np.matmul(normalize(stream, weights.gain), weights.matrix)
  const logarithms = nn.logSoftmax(logits, -1).mul(nn.oneHot(targets, vocabulary))
  return logarithms.sum(-1).mean().mul(-1)
}

function normalize(stream: np.Array, gain: np.Array): np.Array {
  const squares = np.square(stream.ref).mean(-1, { keepdims: true })
  return stream.div(np.sqrt(squares.add(1e-5))).mul(gain)
}
