// TypeGPU: typed buffers that its code fills and reads, and attn between them, on its device.
import { flashAttention, tensor } from '@attn/core'
import { causal } from '@attn/masks'
import { createFlashAttention, gpuTensor } from '@attn/webgpu-flash'
import tgpu, { d } from 'typegpu'

const [length, heads, dim] = [37, 2, 16] as const
const shape = [1, heads, length, dim] as const
const root = await tgpu.init()
const rows = d.arrayOf(d.f32, heads * length * dim)
const values = [1, 2, 3].map((seed) =>
  Array.from({ length: heads * length * dim }, (_, at) => Math.sin(at * seed)),
)

// Their operation: buffers with types, filled.
const buffers = values.map((each) => root.createBuffer(rows, each).$usage('storage'))
const attended = root.createBuffer(rows).$usage('storage')

// attn.
const flash = await createFlashAttention({ device: root.device })
const [query, key, value, output] = [...buffers, attended].map((each) =>
  gpuTensor(root.unwrap(each), shape),
)
flash
  .plan({ heads, queryLength: length, headDim: dim, mask: causal() })
  .forward({ query: query!, key: key!, value: value!, output })

// Their operation: the result, read with its type.
const read = await attended.read()

// The same on the CPU.
const [q, k, v] = values.map((each) => tensor(Float32Array.from(each), shape))
const expected = flashAttention(q!, k!, v!, { mask: causal() }).output.storage
console.log(
  'largest difference',
  Math.max(...read.map((each, at) => Math.abs(each - expected[at]!))),
)
