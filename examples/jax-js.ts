// jax-js: a layer that trains. Projections and loss are jax-js's, and so are their gradients; attention and its
// gradient are attn's: a vjp rule of one's own between two of theirs. On one device, nothing copied.
import { causal } from '@attn/masks'
import { createFlashAttention, gpuTensor } from '@attn/webgpu-flash'
import type { GpuTensor } from '@attn/webgpu-flash'
import * as jax from '@jax-js/jax'
import { nn, numpy as np, random } from '@jax-js/jax'

const [length, heads, dim] = [37, 2, 16] as const
await jax.init('webgpu')
jax.defaultDevice('webgpu')
const x = random.normal(random.key(0), [length, heads * dim])
const weights = [1, 2, 3].map((seed) => random.normal(random.key(seed), [32, 32]).mul(0.2)) as [
  jax.Array,
  jax.Array,
  jax.Array,
]
const project = (wq: jax.Array, wk: jax.Array, wv: jax.Array): jax.Array[] =>
  [wq, wk, wv].map((weight) => np.matmul(x.ref, weight))
const loss = (attended: jax.Array): jax.Array => np.square(attended).sum()

// attn: a view of their arrays [L, H * D], and a plan with gradients.
const flash = await createFlashAttention({ device: jax.getWebGPUDevice(), training: true })
const view = async (array: jax.Array): Promise<GpuTensor> =>
  gpuTensor(await array.ref.gpuBuffer(), [1, length, heads * dim], { heads })
const plan = flash.plan({
  heads,
  queryLength: length,
  headDim: dim,
  mask: causal(),
  training: true,
})

// Their operation: queries, keys, values, and what will turn their gradients into that of the weights.
const [[q, k, v], backward] = jax.vjp(project, weights.map((each) => each.ref) as typeof weights)
const [attended, dQ, dK, dV] = [0, 0, 0, 0].map(() => np.zeros([length, heads * dim]))

// attn, forward, into an array of theirs.
const inputs = { query: await view(q!), key: await view(k!), value: await view(v!) }
const forward = plan.forward({ ...inputs, output: await view(attended!) })

// Their operation: the loss and its gradient by what attn computed.
const [value, dAttended] = jax.valueAndGrad(loss)(attended!.ref)

// attn, backward, into arrays of theirs.
const gradients = { dQuery: await view(dQ!), dKey: await view(dK!), dValue: await view(dV!) }
plan.backward({ ...inputs, ...forward, dOutput: await view(dAttended), ...gradients })

// Their operation: the gradients of the weights.
const dWeights = backward([dQ!, dK!, dV!])

// The same by their own attention.
const split = (each: jax.Array): jax.Array => each.reshape([1, length, heads, dim])
const own = (...given: typeof weights): jax.Array => {
  const [ownQ, ownK, ownV] = project(...given).map(split)
  const result = nn.dotProductAttention(ownQ!, ownK!, ownV!, { isCausal: true })
  return loss(result.reshape([length, heads * dim]))
}
const [ownValue, ownGradients] = jax.valueAndGrad(own, { argnums: [0, 1, 2] })(...weights)
const apart = [value.sub(ownValue), ...dWeights.map((each, at) => each.sub(ownGradients[at]!))]
const largest = await Promise.all(
  apart.map(async (each) => (await np.max(np.abs(each)).data())[0]!),
)
console.log('largest difference', Math.max(...largest))
