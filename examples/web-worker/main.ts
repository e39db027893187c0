// The page: arrays go to a worker and come back, moved and not copied.
import { flashAttention, tensor } from '@attn/core'
import { causal } from '@attn/masks'

/** What the worker is asked. */
export interface Job {
  readonly query: Float32Array
  readonly key: Float32Array
  readonly value: Float32Array
  readonly shape: readonly number[]
}

const shape = [1, 2, 37, 16]
const of = (seed: number): Float32Array =>
  Float32Array.from({ length: 2 * 37 * 16 }, (_, at) => Math.sin(at * seed))

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const answered = new Promise<Float32Array>((resolve) => {
  worker.addEventListener('message', ({ data }: MessageEvent<Float32Array>) => resolve(data))
})
const job: Job = { query: of(1), key: of(2), value: of(3), shape }
worker.postMessage(job, [job.query.buffer, job.key.buffer, job.value.buffer] as ArrayBuffer[])
const output = await answered

// The same on the CPU.
const [q, k, v] = [1, 2, 3].map((seed) => tensor(of(seed), shape))
const expected = flashAttention(q!, k!, v!, { mask: causal() }).output.storage
const apart = Array.from(output, (each, at) => Math.abs(each - expected[at]!))
document.querySelector('#output')!.textContent = `largest difference ${Math.max(...apart)}`
