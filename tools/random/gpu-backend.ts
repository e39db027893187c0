// A problem on the library: tensors as they lie, one plan, forward and, where it trains, backward.
import { elementCount, zeros } from '../../packages/core/src/index.ts'
import type { AttentionOptions, Table, Tensor } from '../../packages/core/src/index.ts'
import type { FlashAttention, GpuTensor } from '../../packages/webgpu-flash/src/index.ts'
import { filledCache } from './caches.ts'
import { planProblem } from './plan-problem.ts'
import type { CallProblem } from './problem.ts'
import { laidOut, numbersOf } from './tensors.ts'
import type { ProblemTensors } from './tensors.ts'

/** What came out, by the names of expectation.ts. */
export interface Computed {
  readonly results: Readonly<Record<string, ArrayLike<number>>>
  readonly tables: ReadonlyMap<Table, ArrayLike<number>>
  /** Dispatches that merged in the output as it is stored, at most; the parts of decoding are float32. */
  readonly parts: number
}

/** Runs a problem; everything is freed whatever happens. */
export async function computeOnGpu(
  flash: FlashAttention,
  problem: CallProblem,
  tensors: ProblemTensors,
  options: AttentionOptions,
): Promise<Computed> {
  const { shape, lengths, layouts, training, dtype, cache: cacheData, weights } = problem
  const { parameters, ...decided } = options
  const plan = planProblem(flash, problem, decided)
  const made: GpuTensor[] = []
  const upload = (view: Tensor): GpuTensor => {
    const tensor = uploadAsItLies(flash, view)
    made.push(tensor)
    return tensor
  }
  const cache =
    cacheData && filledCache(flash, problem, cacheData, tensors, problem.keyLengths ?? [])
  try {
    const given = {
      query: upload(tensors.query),
      ...(parameters && { parameters }),
      ...(cache
        ? cache.inputs()
        : {
            key: upload(tensors.key),
            value: upload(tensors.value),
            ...(lengths === 'call' && { keyLengths: options.keyLengths! }),
          }),
      ...(lengths === 'call' &&
        options.queryOffset !== undefined && { queryOffset: options.queryOffset }),
    }
    const { batch, heads, queryLength, valueDim } = shape
    const place = zeros([batch, heads, queryLength, valueDim], dtype)
    const own = layouts.output === 'dense' ? {} : { output: upload(laidOut(place, layouts.output)) }
    const forward = plan.forward({ ...given, ...own })
    made.push(forward.output, forward.logSumExp)
    const numbers = async (view: GpuTensor): Promise<Float64Array> =>
      numbersOf(await flash.download(view))
    const results: Record<string, ArrayLike<number>> = {
      output: await numbers(forward.output),
      logSumExp: await numbers(forward.logSumExp),
    }
    if (weights) {
      const { value: _, ...ofWeights } = given
      const weighed = plan.weights({ ...ofWeights, logSumExp: forward.logSumExp, ...weights })
      made.push(weighed)
      results['weights'] = await numbers(weighed)
    }
    const tables = new Map<Table, ArrayLike<number>>()
    if (training && !cache) {
      const dOutput = upload(tensors.dOutput)
      const gradients = plan.backward({ ...given, ...forward, dOutput })
      const { dQuery, dKey, dValue, dTables, dSinks } = gradients
      made.push(dQuery, dKey, dValue, ...dTables.values(), ...(dSinks ? [dSinks] : []))
      results['dQuery'] = await numbers(dQuery)
      results['dKey'] = await numbers(dKey)
      results['dValue'] = await numbers(dValue)
      if (dSinks) results['dSinks'] = await numbers(dSinks)
      for (const [table, view] of dTables) tables.set(table, await numbers(view))
    }
    const { variant, dispatches, tile } = plan.explain()
    // Where the work is too much for a dispatch, keys are cut first.
    const most = Math.ceil(shape.keyLength / tile.keys)
    const parts = variant === 'decode' ? 1 : Math.min(dispatches, most)
    return { results, tables, parts }
  } finally {
    flash.release(...made)
    cache?.destroy()
    plan.destroy()
  }
}

/** The whole storage of a view, read on the GPU with the view's strides and offset. */
function uploadAsItLies(flash: FlashAttention, view: Tensor): GpuTensor {
  const { dtype, storage } = view
  const whole = { dtype, shape: [storage.length], strides: [1], offset: 0, storage } as Tensor
  const { storage: buffer, dtype: kept } = flash.upload(whole)
  if (elementCount(view.shape) === 0) throw new RangeError('random: a tensor is empty')
  return { ...view, dtype: kept, storage: buffer }
}
