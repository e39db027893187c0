// Attention as most programs on WebGPU compute it: S = scale Q K^T, P = softmax(S), O = P V, three
// kernels with the scores written down in between. The peer that flash attention is measured against,
// so it is written to be fast: tiled products in registers and workgroup memory, softmax in place.
import type { EncodeWork } from '../../measure/gpu-stopwatch.ts'
import { cachedPipeline } from '../../device/pipeline-cache.ts'
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
  /** Records one run; timestamps go around all of it. */
  readonly encode: EncodeWork
  readonly destroy: () => void
}

interface Step {
  readonly pipeline: GPUComputePipeline
  readonly bindGroup: GPUBindGroup
  readonly workgroups: readonly [x: number, y: number, z: number]
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

  const owned: GPUBuffer[] = []
  const own = (label: string, size: number, usage: number): GPUBuffer => {
    const buffer = device.createBuffer({ label, size, usage })
    owned.push(buffer)
    return buffer
  }
  const uniform = (label: string, numbers: readonly number[], scale?: number): GPUBuffer => {
    const words = new Uint32Array(8)
    words.set(numbers)
    if (scale !== undefined) new Float32Array(words.buffer)[7] = scale
    const buffer = own(label, words.byteLength, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST)
    device.queue.writeBuffer(buffer, 0, words)
    return buffer
  }
  const step = (
    pipeline: GPUComputePipeline,
    bound: readonly GPUBuffer[],
    workgroups: Step['workgroups'],
  ): Step => ({
    pipeline,
    bindGroup: device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: bound.map((buffer, binding) => ({ binding, resource: { buffer } })),
    }),
    workgroups,
  })

  const steps = layout.chunks.flatMap(({ firstHead, heads, bytes }) => {
    const scores = own('scores', bytes, GPUBufferUsage.STORAGE)
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

  return {
    memoryBytes: owned.reduce((sum, { size }) => sum + size, 0),
    encode(encoder, timestampWrites) {
      const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {})
      for (const { pipeline, bindGroup, workgroups } of steps) {
        pass.setPipeline(pipeline)
        pass.setBindGroup(0, bindGroup)
        pass.dispatchWorkgroups(...workgroups)
      }
      pass.end()
    },
    destroy() {
      for (const buffer of owned) buffer.destroy()
    },
  }
}
