// A block map found by asking every pair: what the planner must agree with, made without it.
import { pairRules } from '../../src/attention/pair-rules.ts'
import { resolveOptions } from '../../src/index.ts'
import type { AttentionOptions, AttentionShape, BlockMap } from '../../src/index.ts'

export function bruteForceBlockMap(
  shape: AttentionShape,
  options: AttentionOptions,
  queryBlockSize: number,
  keyBlockSize: number,
): BlockMap {
  const { batch, heads, queryLength, keyLength } = shape
  const rules = pairRules(shape, resolveOptions('bruteForceBlockMap', shape, options))
  const queryBlocks = Math.ceil(queryLength / queryBlockSize)
  const keyBlocks = Math.ceil(keyLength / keyBlockSize)
  const rowOffsets = [0]
  const runs: number[] = []
  for (let row = 0; row < batch * heads * queryBlocks; row++) {
    const queryBlock = row % queryBlocks
    const head = Math.floor(row / queryBlocks) % heads
    const b = Math.floor(row / (queryBlocks * heads))
    for (let keyBlock = 0; keyBlock < keyBlocks; keyBlock++) {
      let visible = 0
      for (let r = 0; r < queryBlockSize; r++) {
        if (queryBlock * queryBlockSize + r >= queryLength) {
          visible += keyBlockSize // rows past the end are nobody's
          continue
        }
        rules.atQuery(b, head, queryBlock * queryBlockSize + r)
        for (let c = 0; c < keyBlockSize; c++) {
          if (rules.visible(keyBlock * keyBlockSize + c)) visible++
        }
      }
      const outside = Math.max((queryBlock + 1) * queryBlockSize - queryLength, 0) * keyBlockSize
      if (visible === outside) continue
      // Neighbouring tiles of one kind could share a run; single ones are as valid.
      runs.push(keyBlock, 2 + (visible === queryBlockSize * keyBlockSize ? 1 : 0))
    }
    rowOffsets.push(runs.length / 2)
  }
  return {
    kind: 'blockMap',
    queryLength,
    keyLength,
    queryBlockSize,
    keyBlockSize,
    queryBlocks,
    keyBlocks,
    batch,
    heads,
    rowOffsets: Uint32Array.from(rowOffsets),
    runs: Uint32Array.from(runs),
  }
}
