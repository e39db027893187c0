// A process of its own that compiles the kernels of a few calls on a device made in the ordinary way, where
// workgroup memory begins as zeros, and says how much memory that took; see compile-memory.test.ts.
import { mask, maskFromTensor } from '@attn/core'
import { createFlashAttention } from '../src/index.ts'
import type { PlanOptions } from '../src/index.ts'

const flash = await createFlashAttention({ training: true })
const causal = mask('causal', ({ query, key }) => key.le(query))
const padding = maskFromTensor(new Uint8Array(6).fill(1), [1, 1, 1, 6])
const calls: readonly PlanOptions[] = [
  { batch: 2, heads: 12, queryLength: 6, headDim: 4, mask: padding },
  { heads: 2, queryLength: 1, keyLength: 300, headDim: 64, mask: causal },
  { heads: 2, queryLength: 64, headDim: 64, mask: causal, training: true },
  { heads: 2, queryLength: 40, headDim: 16, dtype: 'float16', mask: causal },
]
for (const call of calls) await flash.plan(call).compile()
flash.destroy()
process.stdout.write(`${process.resourceUsage().maxRSS}`)
process.exit()
