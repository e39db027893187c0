// What a token costs on this GPU: it is appended to a cache and attends to what the cache holds, many times in one
// go, with the kernel that decoding gets.
import type { FlashAttention } from '@attn/webgpu-flash'

export interface TokenTime {
  /** What the cache keeps, in words. */
  readonly label: string
  readonly milliseconds: number
  /** Bytes of keys and values that a step reads. */
  readonly bytesRead: number
  /** Bytes that the cache holds. */
  readonly bytesHeld: number
}

/** As in a model of 8 billion parameters, one layer. */
const sizes = { kvHeads: 8, headDim: 128, dtype: 'float16' } as const
const heads = 32
const elementBytes = 2

export interface Keeps {
  /** Tokens in the text. */
  readonly length: number
  /** The newest that are kept, and the first; all where it is left out. */
  readonly ring?: { readonly window: number; readonly sinks: number }
}

export async function timeToken(
  flash: FlashAttention,
  { length, ring }: Keeps,
): Promise<TokenTime> {
  const kept = ring ? Math.min(length, ring.window + ring.sinks) : length
  const steps = length < 1024 ? 4 : 16
  // Room for the prompt and for every step that is timed.
  const capacity = ring ? ring.window + ring.sinks : length + 4 * steps
  const cache = flash.cache({ ...sizes, capacity, ...(ring && { ring }) })
  const plan = flash.plan({ ...sizes, heads, queryLength: 1, keyLength: capacity, lengths: 'call' })
  const token = flash.empty([1, sizes.kvHeads, 1, sizes.headDim], sizes.dtype)
  const query = flash.empty([1, heads, 1, sizes.headDim], sizes.dtype)
  const prompt = flash.empty([1, sizes.kvHeads, kept, sizes.headDim], sizes.dtype)
  const outputs = plan.createOutputs()
  try {
    await plan.compile()
    cache.append({ key: prompt, value: prompt })
    const step = async (): Promise<number> => {
      const start = performance.now()
      for (let index = 0; index < steps; index++) {
        cache.append({ key: token, value: token })
        plan.forward({ query, ...cache.inputs(), ...outputs })
      }
      await flash.finished()
      return (performance.now() - start) / steps
    }
    await step()
    const samples = [await step(), await step(), await step()].sort((a, b) => a - b)
    const perToken = 2 * sizes.kvHeads * sizes.headDim * elementBytes
    return {
      label: ring
        ? `the first ${ring.sinks} and the last ${ring.window}`
        : `all ${length.toLocaleString('en')}`,
      milliseconds: samples[1]!,
      bytesRead: kept * perToken,
      bytesHeld: capacity * perToken,
    }
  } finally {
    flash.release(token, query, prompt, outputs.output, outputs.logSumExp)
    plan.destroy()
    cache.destroy()
  }
}
