// transformers.js 4: a model's first half, attn, its second half, on one device, nothing copied. It computes with
// onnxruntime-web: what it calls `ort_tensor` is a tensor of that.
import { flashAttention, permute, toFloat64Array } from '@attn/core'
import { causal } from '@attn/masks'
import { createFlashAttention, gpuTensor } from '@attn/webgpu-flash'
import { AutoModel, env, Tensor } from '@huggingface/transformers'

const [length, heads, dim] = [37, 2, 16] as const
const shape = [1, length, heads * dim]
// Models that lie beside the page; names of the Hugging Face hub work as well.
Object.assign(env, {
  allowLocalModels: true,
  allowRemoteModels: false,
  localModelPath: './models/',
})
const options = { device: 'webgpu', dtype: 'fp32' } as const
const project = await AutoModel.from_pretrained('project', {
  ...options,
  session_options: { preferredOutputLocation: 'gpu-buffer' },
})
const mix = await AutoModel.from_pretrained('mix', options)
const x = Float32Array.from({ length: length * 32 }, (_, index) => Math.sin(index))

// Their operation: queries, keys and values, [1, L, H * D] each.
const { q, k, v } = (await project({ x: new Tensor('float32', x, shape) })) as Record<
  string,
  Tensor
>

// attn.
const flash = await createFlashAttention({ device: env.backends.onnx.webgpu!.device })
const [query, key, value] = [q!, k!, v!].map(({ ort_tensor: each }) =>
  gpuTensor(each.gpuBuffer as GPUBuffer, each.dims, { heads }),
)
const output = gpuTensor(flash.empty(shape).storage, shape, { heads })
flash
  .plan({ heads, queryLength: length, headDim: dim, mask: causal() })
  .forward({ query: query!, key: key!, value: value!, output })

// Their operation, on attn's buffer as it lies.
const OrtTensor = q!.ort_tensor.constructor as typeof import('onnxruntime-common').Tensor
const attended = OrtTensor.fromGpuBuffer(output.storage, { dataType: 'float32', dims: shape })
const { y } = (await mix({ attended: new Tensor(attended) })) as Record<string, Tensor>

// The same with attn's reference in between.
const [hostQ, hostK, hostV] = await Promise.all(
  [query!, key!, value!].map((each) => flash.download(each)),
)
const reference = flashAttention(hostQ!, hostK!, hostV!, { mask: causal() })
const rows = Float32Array.from(toFloat64Array(permute(reference.output, [0, 2, 1, 3])))
const expected = (await mix({ attended: new Tensor('float32', rows, shape) })) as Record<
  string,
  Tensor
>
const [data, own] = [y!.data, expected['y']!.data] as Float32Array[]
const largest = Math.max(...data!.map((each, at) => Math.abs(each - own![at]!)))
document.querySelector('#output')!.textContent = `largest difference ${largest}`
