// Node, Deno and Bun: tensors of the CPU in and out. Deno has WebGPU; in Node and Bun the package `webgpu` beside
// attn finds the GPU. Where there is none, the same call runs on the CPU.
import { flashAttention, tensor } from '@attn/core'
import type { Tensor } from '@attn/core'
import { causal } from '@attn/masks'
import { createFlashAttention } from '@attn/webgpu-flash'

const shape = [1, 2, 37, 16] as const
const of = (seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: 2 * 37 * 16 }, (_, at) => Math.sin(at * seed)),
    shape,
  )

const flash = await createFlashAttention().catch(() => undefined)
const attend = flash?.attention ?? flashAttention
const { output } = await attend(of(1), of(2), of(3), { mask: causal() })
flash?.destroy()

// The same on the CPU.
const expected = flashAttention(of(1), of(2), of(3), { mask: causal() }).output.storage
console.log(flash ? 'on the GPU' : 'on the CPU')
const apart = Array.from(output.storage, (each, at) => Math.abs(each - expected[at]!))
console.log('largest difference', Math.max(...apart))
