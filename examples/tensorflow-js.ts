// TensorFlow.js: a layer's projections, attn, the layer's output projection, on one device, nothing copied.
import { causal } from '@attn/masks'
import { createFlashAttention, gpuTensor } from '@attn/webgpu-flash'
import * as tf from '@tensorflow/tfjs-core'
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu'
import '@tensorflow/tfjs-backend-webgpu'

const [length, heads, dim] = [37, 2, 16] as const
await tf.setBackend('webgpu')
const x = tf.randomNormal([length, 32])
const [wq, wk, wv, wo] = [1, 2, 3, 4].map((seed) =>
  tf.randomNormal([32, 32], 0, 0.2, 'float32', seed),
)

// Their operation: queries, keys and values, [L, H * D] each.
const projected = [wq!, wk!, wv!].map((weight) => tf.matMul(x, weight))

// attn.
const flash = await createFlashAttention({ device: (tf.backend() as WebGPUBackend).device })
const [q, k, v] = projected.map((each) =>
  gpuTensor(each.dataToGPU().buffer!, [1, length, heads * dim], { heads }),
)
const result = gpuTensor(flash.empty([1, length, heads * dim]).storage, [1, length, heads * dim], {
  heads,
})
flash
  .plan({ heads, queryLength: length, headDim: dim, mask: causal() })
  .forward({ query: q!, key: k!, value: v!, output: result })

// Their operation, on attn's buffer as it lies.
const attended = tf.tensor({ buffer: result.storage, zeroCopy: true }, [length, heads * dim])
const output = tf.matMul(attended, wo!)

// The same by their own operations.
const split = (each: tf.Tensor): tf.Tensor =>
  tf.transpose(tf.reshape(each, [length, heads, dim]), [1, 0, 2])
const hidden = tf.linalg.bandPart(tf.ones([length, length]), -1, 0)
const scores = tf.div(
  tf.matMul(split(projected[0]!), split(projected[1]!), false, true),
  Math.sqrt(dim),
)
const weights = tf.softmax(tf.add(scores, tf.mul(tf.sub(hidden, 1), 1e9)))
const own = tf.reshape(tf.transpose(tf.matMul(weights, split(projected[2]!)), [1, 0, 2]), [
  length,
  heads * dim,
])
const difference = tf.max(tf.abs(tf.sub(output, tf.matMul(own, wo!))))
console.log('largest difference', (await difference.data())[0])
