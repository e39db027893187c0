// The worker: it has a device of its own, and the page stays free.
import { tensor } from '@attn/core'
import { causal } from '@attn/masks'
import { createFlashAttention } from '@attn/webgpu-flash'
import type { Job } from './main.ts'

const flash = createFlashAttention()
addEventListener('message', ({ data }: MessageEvent<Job>) => void attend(data))

async function attend({ query, key, value, shape }: Job): Promise<void> {
  const [q, k, v] = [query, key, value].map((values) => tensor(values, shape))
  const { output } = await (await flash).attention(q!, k!, v!, { mask: causal() })
  postMessage(output.storage, { transfer: [output.storage.buffer as ArrayBuffer] })
}
