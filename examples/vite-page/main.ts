// A page built by Vite: nothing to configure, here or anywhere.
import { flashAttention, tensor } from '@attn/core'
import type { Tensor } from '@attn/core'
import { slidingWindow } from '@attn/masks'
import { createFlashAttention } from '@attn/webgpu-flash'

const shape = [1, 2, 37, 16] as const
const of = (seed: number): Tensor =>
  tensor(
    Float32Array.from({ length: 2 * 37 * 16 }, (_, at) => Math.sin(at * seed)),
    shape,
  )

const flash = await createFlashAttention()
const { output } = await flash.attention(of(1), of(2), of(3), { mask: slidingWindow(8) })

// The same on the CPU.
const expected = flashAttention(of(1), of(2), of(3), { mask: slidingWindow(8) }).output.storage
const apart = Array.from(output.storage, (each, at) => Math.abs(each - expected[at]!))
document.querySelector('#output')!.textContent = `largest difference ${Math.max(...apart)}`
