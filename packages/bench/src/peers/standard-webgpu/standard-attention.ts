// Attention as most programs on WebGPU compute it: S = scale Q K^T, P = softmax(S), O = P V, three
// kernels with the scores written down in between. The peer that flash attention is measured against,
// so it is written to be fast: tiled products in registers and workgroup memory, softmax in place.
import type { EncodeWork } from '../../measure/gpu-stopwatch.ts'
import { cachedPipeline } from '../../device/pipeline-cache.ts'
import { encodeSteps, kernelSteps } from './kernel-steps.ts'
import type { Step } from './kernel-steps.ts'
import { layOutScores } from './plan.ts'
import type { StandardLimits, StandardShape } from './plan.ts'
import { matrixProductTile, matrixProductWgsl } from './matrix-product.wgsl.ts'
import { softmaxThreads, softmaxWgsl } from './softmax.wgsl.ts'

/** Buffers of one call, row-major `[batch, heads, length, dim]` each. */
export interface StandardBuffers {
  readonly query: GPUBuffer
  readonly key: GPUBuffer
  readonly value: GPUBuffer
  readonly output: GPUBuffer
}

/** Standard attention made ready for one shape and one set of buffers. Owns the scores. */
export interface StandardAttention {
  /** GPU memory it holds beside inputs and output, in bytes: the scores, for the most part. */
  readonly memoryBytes: number
  /** Where P is once it has run, for a backward pass: `[heads, L, S]`, rows padded to four. */
  readonly probabilities: readonly {
    readonly buffer: GPUBuffer
    readonly firstHead: number
    readonly heads: number
  }[]
  /** Records one run; timestamps go around all of it. */
  readonly encode: EncodeWork
  readonly destroy: () => void
}

/**
 * Prepares standard attention on a WebGPU device: compiles three kernels, allocates the scores.
 *
 * @param device - Owns the buffers.
 * @param shape - Sizes; scores are scaled by 1/sqrt(headDim).
 * @param buffers - Inputs and output, read and written each time the work runs.
 * @param limits - What a buffer may hold. Default: the device's.
 * @throws RangeError, UnsupportedError as {@link layOutScores} does.
 */
export async function createStandardAttention(
  device: GPUDevice,
  shape: StandardShape,
  buffers: StandardBuffers,
  limits: StandardLimits = device.limits,
): Promise<StandardAttention> {
  const { queryLength, keyLength, headDim, valueDim = headDim } = shape
  const { dtype = 'float32', causal = false } = shape
  const layout = layOutScores(shape, limits)
  const keyQuads = Math.ceil(keyLength / 4)
  const scoreTile = matrixProductTile(keyLength)
  const outputTile = matrixProductTile(valueDim)
  const threads = softmaxThreads(keyLength)

  const compile = (label: string, code: string): Promise<GPUComputePipeline> =>
    cachedPipeline(device, label, code)
  const [scoresPipeline, softmaxPipeline, outputPipeline] = await Promise.all([
    compile('scores', matrixProductWgsl({ tile: scoreTile, dtype, rightTransposed: true })),
    compile('softmax', softmaxWgsl({ dtype, causal, threads })),
    compile('output', matrixProductWgsl({ tile: outputTile, dtype, rightTransposed: false })),
  ])

  const { own, uniform, step, memoryBytes, destroy } = kernelSteps(device)
  const probabilities: { buffer: GPUBuffer; firstHead: number; heads: number }[] = []
  const steps = layout.chunks.flatMap(({ firstHead, heads, bytes }) => {
    const scores = own('scores', bytes, GPUBufferUsage.STORAGE)
    probabilities.push({ buffer: scores, firstHead, heads })
    const scoresShape = uniform(
      'scores shape',
      [queryLength, keyQuads, headDim / 4, keyLength, firstHead, firstHead, 0],
      1 / Math.sqrt(headDim),
    )
    const outputShape = uniform(
      'output shape',
      [queryLength, valueDim / 4, keyQuads, keyLength, 0, firstHead, firstHead],
      1,
    )
    const softmaxShape = uniform('softmax shape', [queryLength, keyLength, keyQuads])
    const tiles = (columns: number, tile: typeof scoreTile): Step['workgroups'] => [
      Math.ceil(columns / tile.columns),
      Math.ceil(queryLength / tile.rows),
      heads,
    ]
    return [
      step(
        scoresPipeline,
        [scoresShape, buffers.query, buffers.key, scores],
        tiles(keyLength, scoreTile),
      ),
      step(softmaxPipeline, [softmaxShape, scores], [queryLength, heads, 1]),
      step(
        outputPipeline,
        [outputShape, scores, buffers.value, buffers.output],
        tiles(valueDim, outputTile),
      ),
    ]
  })

  return { memoryBytes: memoryBytes(), probabilities, encode: encodeSteps(steps), destroy }
}
