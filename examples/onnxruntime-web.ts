// onnxruntime-web: a model's first half, attn, its second half, on one device, nothing copied.
import { flashAttention, permute, toFloat64Array } from '@attn/core'
import { causal } from '@attn/masks'
import { createFlashAttention, gpuTensor } from '@attn/webgpu-flash'
import * as ort from 'onnxruntime-web/webgpu'

const [length, heads, dim] = [37, 2, 16] as const
const options = { executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer' } as const
const project = await ort.InferenceSession.create('project.onnx', options)
const mix = await ort.InferenceSession.create('mix.onnx', { executionProviders: ['webgpu'] })
const x = Float32Array.from({ length: length * 32 }, (_, index) => Math.sin(index))

// Their operation: queries, keys and values, [1, L, H * D] each.
const { q, k, v } = await project.run({ x: new ort.Tensor('float32', x, [1, length, 32]) })

// attn.
const flash = await createFlashAttention({ device: ort.env.webgpu.device })
const [query, key, value] = [q!, k!, v!].map((each) =>
  gpuTensor(each.gpuBuffer as GPUBuffer, each.dims, { heads }),
)
const output = gpuTensor(flash.empty([1, length, heads * dim]).storage, [1, length, heads * dim], {
  heads,
})
flash
  .plan({ heads, queryLength: length, headDim: dim, mask: causal() })
  .forward({ query: query!, key: key!, value: value!, output })

// Their operation, on attn's buffer as it lies.
const attended = ort.Tensor.fromGpuBuffer(output.storage, {
  dataType: 'float32',
  dims: [1, length, heads * dim],
})
const { y } = await mix.run({ attended })

// The same with attn's reference in between.
const [hostQ, hostK, hostV] = await Promise.all(
  [query!, key!, value!].map((each) => flash.download(each)),
)
const reference = flashAttention(hostQ!, hostK!, hostV!, { mask: causal() })
const rows = Float32Array.from(toFloat64Array(permute(reference.output, [0, 2, 1, 3])))
const expected = await mix.run({
  attended: new ort.Tensor('float32', rows, [1, length, heads * dim]),
})
const [data, own] = [await y!.getData(), await expected['y']!.getData()] as Float32Array[]
console.log('largest difference', Math.max(...data!.map((each, at) => Math.abs(each - own![at]!))))
