// The backward pass of standard attention, from the P that its forward pass left in memory: dV = P^T dO,
// dP = dO V^T, dS = P (dP - sum of P dP), dQ = dS K, dK = dS^T Q (FlashAttention's algorithm 3, arXiv
// 2205.14135). Five kernels, with a second matrix of B*H*L*S elements between them.
import { cachedPipeline } from '../../device/pipeline-cache.ts'
import type { EncodeWork } from '../../measure/gpu-stopwatch.ts'
import { encodeSteps, kernelSteps } from './kernel-steps.ts'
import type { Step } from './kernel-steps.ts'
import { matrixProductTile, matrixProductWgsl } from './matrix-product.wgsl.ts'
import type { StandardShape } from './plan.ts'
import { softmaxBackwardWgsl } from './softmax-backward.wgsl.ts'
import { softmaxThreads } from './softmax.wgsl.ts'
import type { StandardAttention, StandardBuffers } from './standard-attention.ts'

/** Buffers of a backward call, row-major `[batch, heads, length, dim]` each. */
export interface StandardGradientBuffers extends Pick<StandardBuffers, 'query' | 'key' | 'value'> {
  readonly dOutput: GPUBuffer
  readonly dQuery: GPUBuffer
  readonly dKey: GPUBuffer
  readonly dValue: GPUBuffer
}

/** A backward pass made ready. It reads P, so the forward pass has to have run, and to live. */
export interface StandardBackward {
  /** GPU memory it holds beside inputs, gradients and what the forward pass holds, in bytes. */
  readonly memoryBytes: number
  readonly encode: EncodeWork
  readonly destroy: () => void
}

/**
 * Prepares the backward pass of a standard attention that was prepared for the same shape.
 *
 * @param forward - Where P is.
 */
export async function createStandardBackward(
  device: GPUDevice,
  shape: StandardShape,
  forward: StandardAttention,
  buffers: StandardGradientBuffers,
): Promise<StandardBackward> {
  const { queryLength, keyLength, headDim, valueDim = headDim, dtype = 'float32' } = shape
  const [queryQuads, keyQuads] = [Math.ceil(queryLength / 4), Math.ceil(keyLength / 4)]
  const threads = softmaxThreads(keyLength)
  const compile = (label: string, code: string): Promise<GPUComputePipeline> =>
    cachedPipeline(device, label, code)
  const product = (
    label: string,
    columns: number,
    sides: { readonly leftTransposed?: boolean; readonly rightTransposed?: boolean },
  ): Promise<GPUComputePipeline> => {
    const { leftTransposed = false, rightTransposed = false } = sides
    const tile = matrixProductTile(columns)
    return compile(label, matrixProductWgsl({ tile, dtype, leftTransposed, rightTransposed }))
  }
  const [values, weights, softmax, queries, keys] = await Promise.all([
    product('dValue', valueDim, { leftTransposed: true }),
    product('dP', keyLength, { rightTransposed: true }),
    compile('softmax backward', softmaxBackwardWgsl({ dtype, threads })),
    product('dQuery', headDim, {}),
    product('dKey', headDim, { leftTransposed: true }),
  ])

  const { own, uniform, step, memoryBytes, destroy } = kernelSteps(device)
  const scale = 1 / Math.sqrt(headDim)
  const steps = forward.probabilities.flatMap(({ buffer: stored, firstHead, heads }): Step[] => {
    const gradient = own('dP and dS', stored.size, GPUBufferUsage.STORAGE)
    const groups = (rows: number, columns: number): Step['workgroups'] => {
      const tile = matrixProductTile(columns)
      return [Math.ceil(columns / tile.columns), Math.ceil(rows / tile.rows), heads]
    }
    /** Rows, columns and depth of a product, and from which head its three matrices start. */
    const sizes = (
      name: string,
      [rows, columnQuads, depthQuads, rightRows]: readonly number[],
      [left, right, result]: readonly number[],
      factor = 1,
    ): GPUBuffer =>
      uniform(
        `${name} shape`,
        [rows!, columnQuads!, depthQuads!, rightRows!, left!, right!, result!],
        factor,
      )
    const valueShape = sizes(
      'dValue',
      [keyLength, valueDim / 4, queryQuads, queryLength],
      [0, firstHead, firstHead],
    )
    const weightShape = sizes(
      'dP',
      [queryLength, keyQuads, valueDim / 4, keyLength],
      [firstHead, firstHead, 0],
    )
    const softmaxShape = uniform('softmax backward shape', [queryLength, keyLength, keyQuads])
    const queryShape = sizes(
      'dQuery',
      [queryLength, headDim / 4, keyQuads, keyLength],
      [0, firstHead, firstHead],
      scale,
    )
    const keyShape = sizes(
      'dKey',
      [keyLength, headDim / 4, queryQuads, queryLength],
      [0, firstHead, firstHead],
      scale,
    )
    const { query, key, value, dOutput, dQuery, dKey, dValue } = buffers
    return [
      step(values, [valueShape, stored, dOutput, dValue], groups(keyLength, valueDim)),
      step(weights, [weightShape, dOutput, value, gradient], groups(queryLength, keyLength)),
      step(softmax, [softmaxShape, stored, gradient], [queryLength, heads, 1]),
      step(queries, [queryShape, gradient, key, dQuery], groups(queryLength, headDim)),
      step(keys, [keyShape, gradient, query, dKey], groups(keyLength, headDim)),
    ]
  })
  return { memoryBytes: memoryBytes(), encode: encodeSteps(steps), destroy }
}
