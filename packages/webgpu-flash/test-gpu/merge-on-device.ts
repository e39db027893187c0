// Parts in CPU memory merged on a device.
import type { AttentionResult } from '@attn/core'
import type { FlashAttention } from '../src/index.ts'

/** Uploads, merges, downloads; everything it takes is freed. */
export async function mergeOnDevice(
  flash: FlashAttention,
  parts: readonly AttentionResult[],
): Promise<AttentionResult> {
  const uploaded = parts.map(({ output, logSumExp }) => ({
    output: flash.upload(output),
    logSumExp: flash.upload(logSumExp),
  }))
  const merged = flash.merge(uploaded)
  try {
    const output = await flash.download(merged.output)
    return { output, logSumExp: await flash.download(merged.logSumExp) }
  } finally {
    flash.release(merged.output, merged.logSumExp)
    for (const { output, logSumExp } of uploaded) flash.release(output, logSumExp)
  }
}
