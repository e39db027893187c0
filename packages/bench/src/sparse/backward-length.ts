// One length of `attn sparse --backward`: the backward pass of every pattern and of causal flash attention on the
// same inputs, sampled rows of dQ, dK and dV compared with float64, all timed in turn.
import type { Mask } from '@attn/core'
import type { AttentionPlan, FlashAttention } from '@attn/webgpu-flash'
import { createGradientInputs } from '../gradients/inputs.ts'
import { runOnce } from '../gradients/measure.ts'
import { prepareFlashTraining } from '../gradients/prepare.ts'
import { expectGradients, verifyGradients } from '../gradients/verify.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { summarize } from '../measure/statistics.ts'
import { contest } from './contest.ts'
import { createInputs } from './inputs.ts'
import { baselineAt, patternNames, patternsAt } from './patterns.ts'
import type { SparseBackward, SparseTime } from './report.ts'
import type { LengthOptions } from './run-length.ts'

/**
 * Runs one length.
 *
 * @param withCausal - Whether causal attention is run too: it may take too long.
 * @throws GpuWorkError and the errors of `@attn/webgpu-flash` for want of memory.
 */
export async function runBackwardLength(
  flash: FlashAttention,
  options: LengthOptions,
  length: number,
  withCausal: boolean,
): Promise<SparseBackward> {
  const { heads, headDim, dtype = 'float32', patterns = patternNames } = options
  const { device } = flash
  const shape = { batch: 1, heads, headDim, dtype }
  const inputs = await createInputs(device, { heads, length, headDim, dtype })
  const cleanUp = [() => Object.values(inputs).forEach((buffer: GPUBuffer) => buffer.destroy())]
  try {
    const gradients = await createGradientInputs(device, shape, length, inputs)
    cleanUp.push(() => gradients.destroy())
    const prepare = async (label: string, mask: Mask) => {
      const prepared = await prepareFlashTraining(flash, shape, { mask }, length, inputs, gradients)
      const stopwatch = createGpuStopwatch(device, prepared.backward)
      cleanUp.push(
        () => prepared.destroy(),
        () => stopwatch.destroy(),
      )
      await runOnce(flash, `backward of ${label}, length ${length}`, prepared)
      const { backward } = prepared.explanation as ReturnType<AttentionPlan['explain']>
      return { prepared, stopwatch, explanation: backward! }
    }
    const ours = []
    for (const pattern of patternsAt(length, { ...options, names: patterns })) {
      const one = await prepare(pattern.label, pattern.mask)
      const { logSumExp } = one.prepared
      const right = await expectGradients(
        device,
        shape,
        length,
        pattern.mask,
        inputs,
        gradients,
        logSumExp!,
        true,
      )
      const verification = await verifyGradients(device, shape, length, right, one.prepared)
      ours.push({ pattern, verification, ...one })
    }
    const { mask, pairs } = baselineAt(length)
    const causal = withCausal ? await prepare('causal attention', mask) : undefined
    const samples = await contest(causal ? [...ours, causal] : ours, options.contest)
    await flash.finished()
    const timeOf = (index: number): SparseTime => ({
      ...summarize(samples[index]!),
      samples: samples[index]!,
      headsMeasured: heads,
    })
    const causalTime = causal && timeOf(ours.length)
    return {
      causal: causalTime,
      results: ours.map(({ pattern, verification, explanation }, index) => {
        const time = timeOf(index)
        const work = explanation.floatingPointOperations
        return {
          name: pattern.name,
          label: pattern.label,
          time,
          verification,
          teraflops: work / (1e9 * time.median),
          ...(causal &&
            causalTime && {
              workRatio: work / causal.explanation.floatingPointOperations,
              pairRatio: pattern.pairs / pairs,
              timeRatio: time.median / causalTime.median,
            }),
          explanation,
        }
      }),
    }
  } finally {
    for (const each of cleanUp.toReversed()) each()
  }
}
