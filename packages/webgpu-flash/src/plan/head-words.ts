// The numbers of sequences and heads that lie before the tables in `data`, as kernels read them.
import type { ResolvedAttention } from '@attn/core'
import { floatWord } from '../kernels/parameters.ts'

const largestFloat = 3.4028234663852886e38

/** Query offset and key count of each sequence, and the sink of each head, as the kernel reads them. */
export function headWords({ queryOffsets, keyLengths, sinks }: ResolvedAttention): Uint32Array {
  const words = new Uint32Array(2 * queryOffsets.length + (sinks?.length ?? 0))
  queryOffsets.forEach((offset, sequence) => {
    words[2 * sequence] = offset
    words[2 * sequence + 1] = keyLengths[sequence]!
  })
  // Finite ones stay so in float32.
  sinks?.forEach((sink, head) => {
    const finite = Math.min(Math.max(sink, -largestFloat), largestFloat)
    words[2 * queryOffsets.length + head] = floatWord(sink === -Infinity ? sink : finite)
  })
  return words
}
