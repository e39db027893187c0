// `attn run` where there is no WebGPU: the same three ways with the CPU reference of @attn/core. It
// is written to be read and not to be fast; the ratios show all the same what tiles save.
import { createBlockMap, flashAttention, standardAttention, tensor } from '@attn/core'
import type { FlashAttentionOptions, Tensor, TileEvent } from '@attn/core'
import { normalArray } from '../inputs/normal.ts'
import { cpuStopwatch, measure } from '../measure/measure.ts'
import { expectRows, verifyRows } from '../verify/expectation.ts'
import { sampleBlocks } from '../verify/sample.ts'
import type { RowBlock } from '../verify/sample.ts'
import { forEachMethod } from './for-each-method.ts'
import type { RunLimits, StepListener } from './for-each-method.ts'
import type { LengthResult, Outcome } from './outcome.ts'
import { maskOf, usefulOperations } from './problem.ts'
import type { Method, Problem } from './problem.ts'

const blockSizes = { queryBlockSize: 64, keyBlockSize: 64 }
const float64Bytes = 8

interface CpuInputs {
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
}

/** Verifies and times every method at every length on this thread. */
export async function runOnCpu(
  problem: Problem,
  limits: RunLimits,
  onStep: StepListener,
): Promise<LengthResult[]> {
  const { batch, heads, headDim } = problem
  const results: LengthResult[] = []
  for (const length of problem.lengths) {
    const input = (stream: number): Tensor =>
      tensor(normalArray(stream, batch * heads * length * headDim), [batch, heads, length, headDim])
    const inputs = { query: input(1), key: input(2), value: input(3) }
    const run = (method: Method): Promise<Outcome> =>
      measureMethod(problem, method, length, limits, inputs)
    results.push(await forEachMethod(problem, length, limits, results, onStep, run))
  }
  return results
}

async function measureMethod(
  problem: Problem,
  method: Method,
  length: number,
  limits: RunLimits,
  inputs: CpuInputs,
): Promise<Outcome> {
  const { batch, heads, headDim } = problem
  const mask = maskOf(problem, method)
  const shape = { batch, heads, queryLength: length, keyLength: length }
  const { query, key, value } = inputs
  const options: FlashAttentionOptions = mask
    ? { mask, blockMap: createBlockMap(mask, shape, blockSizes) }
    : blockSizes
  const run = (): Tensor =>
    method === 'standard'
      ? standardAttention(query, key, value, mask ? { mask } : {}).output
      : flashAttention(query, key, value, options).output

  const output = run()
  const part = (view: Tensor, { head, firstRow, rows }: RowBlock): Float32Array =>
    (view.storage as Float32Array).subarray(
      (head * length + firstRow) * headDim,
      (head * length + firstRow + rows) * headDim,
    )
  const blocks = sampleBlocks(batch * heads, length)
  const wholeHead = (view: Tensor, { head }: RowBlock): Float32Array =>
    part(view, { head, firstRow: 0, rows: length })
  const expectation = expectRows(
    blocks.map((block) => ({
      ...block,
      query: part(query, block),
      key: wholeHead(key, block),
      value: wholeHead(value, block),
    })),
    length,
    mask,
    'float32',
  )
  const verification = verifyRows(
    expectation,
    blocks.map((block) => part(output, block)),
  )
  const time = await measure(cpuStopwatch(run), limits.measure)
  const operations = usefulOperations(problem, method, length)
  return {
    status: 'measured',
    time,
    operations,
    teraflops: operations / time.median / 1e9,
    memoryBytes:
      method === 'standard'
        ? 2 * batch * heads * length * length * float64Bytes
        : flashBytes(inputs, options),
    verification,
  }
}

/** Bytes of the tiles that pass by, of one tile of scores, and of the log-sum-exps. */
function flashBytes({ query, key, value }: CpuInputs, options: FlashAttentionOptions): number {
  const tiles = new Map<string, number>()
  const trace = ({ tensor: name, elements }: TileEvent): void => {
    tiles.set(name, Math.max(tiles.get(name) ?? 0, elements))
  }
  const { logSumExp } = flashAttention(query, key, value, { ...options, trace })
  const elements = [...tiles.values()].reduce((sum, count) => sum + count, 0)
  const scores = blockSizes.queryBlockSize * blockSizes.keyBlockSize
  return (elements + scores) * float64Bytes + logSumExp.storage.byteLength
}
