// The suites of cases that a device can be put through: core's conformance suites on the planner's choice of
// kernels, and on those which it does not choose by itself.
import { UnsupportedError } from '../../packages/webgpu-flash/src/index.ts'
import type { FlashAttention, ForwardTile } from '../../packages/webgpu-flash/src/index.ts'
import { forwardTiles } from '../../packages/webgpu-flash/src/plan/forward/tiled-kernel.ts'
import type { AttentionOptions, Tensor } from '../../packages/core/src/index.ts'
import {
  backwardCases,
  dropoutCases,
  sinkCases,
} from '../../packages/core/test/conformance/backward-cases.ts'
import {
  backwardProblems,
  goldenBackwardProblems,
} from '../../packages/core/test/conformance/backward-problems.ts'
import type { ConformanceCase } from '../../packages/core/test/conformance/cases.ts'
import { conformanceCases } from '../../packages/core/test/conformance/forward-cases.ts'
import {
  forwardProblems,
  goldenForwardProblems,
} from '../../packages/core/test/conformance/forward-problems.ts'
import { goldenCases } from '../../packages/core/test/conformance/golden.ts'
import { weightsCases } from '../../packages/core/test/conformance/weights-cases.ts'
import { weightsProblems } from '../../packages/core/test/conformance/weights-problems.ts'
import { mergeCases, mergeProblems } from '../../packages/core/test/conformance/merge-cases.ts'
import { mergeOnDevice } from '../../packages/webgpu-flash/test-gpu/merge-on-device.ts'
import {
  gpuBiasCases,
  gpuBiasProblems,
} from '../../packages/webgpu-flash/test-gpu/gpu-bias-cases.ts'
import { weightsOnDevice } from '../../packages/webgpu-flash/test-gpu/weights-on-device.ts'
import { splitTrials } from './split-backward.ts'

/** One case of a suite; running it gives sentences on what is wrong. */
export interface Trial {
  readonly name: string
  run(flash: FlashAttention): Promise<string[]>
}

function shapeOf(each: ConformanceCase): Parameters<FlashAttention['plan']>[0] {
  const { parameters: _, ...options } = each.options
  return { ...each.shape, dtype: each.dtype, ...options }
}

const forwardCases = [...conformanceCases(), ...dropoutCases(), ...sinkCases()]

const planned: readonly Trial[] = [
  ...goldenCases().map((golden) => ({
    name: `golden ${golden.name}`,
    run: async (flash: FlashAttention) =>
      goldenForwardProblems(golden, (...call) => flash.attention(...call)),
  })),
  ...forwardCases.map((each) => ({
    name: each.name,
    run: async (flash: FlashAttention) =>
      forwardProblems(each, (...call) => flash.attention(...call)),
  })),
]

/** Every tile that the planner could choose for a case but did not. */
function otherTiles(flash: FlashAttention): Trial[] {
  return forwardCases.flatMap((each) =>
    forwardTiles(each.shape, flash.capabilities)
      .slice(each.dtype === 'float16' ? 0 : 1)
      .map((tile) => {
        const { queries, keys, threadRows, threadColumns, dimChunk, valueChunk } = tile
        const title = `${queries}x${keys} by ${threadRows}x${threadColumns} in ${dimChunk} and ${valueChunk}`
        return {
          name: `${each.name}, tile ${title}`,
          run: async () =>
            forwardProblems(each, (query, key, value, options) =>
              withTile(flash, each, tile, [query, key, value], options),
            ),
        }
      }),
  )
}

/** Float32 cases by products of float16 halves, those that they can compute. */
function byHalves(flash: FlashAttention): Trial[] {
  const tile = 'subgroup-matrix'
  const canCompute = (each: ConformanceCase): boolean => {
    if (each.dtype !== 'float32') return false
    try {
      flash.plan({ ...shapeOf(each), tile }).destroy()
      return true
    } catch (error) {
      if (error instanceof UnsupportedError) return false
      throw error
    }
  }
  return forwardCases.filter(canCompute).map((each) => ({
    name: `${each.name}, by halves`,
    run: async () =>
      forwardProblems(each, (query, key, value, options) =>
        withTile(flash, each, tile, [query, key, value], options),
      ),
  }))
}

async function withTile(
  flash: FlashAttention,
  each: ConformanceCase,
  tile: ForwardTile | 'subgroup-matrix',
  inputs: readonly [Tensor, Tensor, Tensor],
  { parameters }: AttentionOptions,
) {
  const plan = flash.plan({ ...shapeOf(each), tile })
  const [query, key, value] = inputs.map((input) => flash.upload(input)) as [
    ReturnType<FlashAttention['upload']>,
    ReturnType<FlashAttention['upload']>,
    ReturnType<FlashAttention['upload']>,
  ]
  const outputs = plan.forward({ query, key, value, ...(parameters ? { parameters } : {}) })
  const output = await flash.download(outputs.output)
  const logSumExp = await flash.download(outputs.logSumExp)
  flash.release(query, key, value, outputs.output, outputs.logSumExp)
  plan.destroy()
  return { output, logSumExp }
}

const backward: readonly Trial[] = [
  ...goldenCases().map((golden) => ({
    name: `golden ${golden.name}`,
    run: async (flash: FlashAttention) => goldenBackwardProblems(golden, gradientsOf(flash)),
  })),
  ...[...backwardCases(), ...dropoutCases(), ...sinkCases()].map((each) => ({
    name: each.name,
    run: async (flash: FlashAttention) => backwardProblems(each, gradientsOf(flash)),
  })),
]

function gradientsOf(flash: FlashAttention): Parameters<typeof backwardProblems>[1] {
  return async (query, key, value, dOutput, options) => {
    const forward = await flash.attention(query, key, value, options)
    return flash.attentionBackward(query, key, value, forward, dOutput, options)
  }
}

const weights: readonly Trial[] = weightsCases().map((each) => ({
  name: each.name,
  run: async (flash: FlashAttention) =>
    weightsProblems(each, (...call) => weightsOnDevice(flash, ...call)),
}))

const merge: readonly Trial[] = mergeCases().map((each) => ({
  name: each.name,
  run: async (flash: FlashAttention) => mergeProblems(each, (parts) => mergeOnDevice(flash, parts)),
}))

const biases: readonly Trial[] = gpuBiasCases.map((each) => ({
  name: each.name,
  run: async (flash: FlashAttention) => gpuBiasProblems(flash, each),
}))

/** Every suite of cases by its name; what a device cannot compute is not among them. */
export const suites = {
  planned: () => planned,
  tiles: otherTiles,
  halves: byHalves,
  backward: () => backward,
  split: splitTrials,
  weights: () => weights,
  merge: () => merge,
  biases: () => biases,
} as const satisfies Readonly<Record<string, (flash: FlashAttention) => readonly Trial[]>>

/** Whether a name is that of a suite of cases. */
export const isSuite = (name: string): name is keyof typeof suites => Object.hasOwn(suites, name)
