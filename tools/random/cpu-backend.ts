// A problem's forward pass by core's tiled attention, in the precision of its tensors: a second opinion on
// what the problem asks for, where there is no GPU.
import { flashAttention } from '../../packages/core/src/index.ts'
import type { AttentionOptions } from '../../packages/core/src/index.ts'
import type { Computed } from './gpu-backend.ts'
import type { CallProblem } from './problem.ts'
import { numbersOf } from './tensors.ts'
import type { ProblemTensors } from './tensors.ts'

/** Runs a problem without `rope`, which belongs to plans. */
export function computeOnCpu(
  problem: CallProblem,
  { query, key, value }: ProblemTensors,
  options: AttentionOptions,
): Omit<Computed, 'parts'> {
  if (problem.rope) throw new RangeError('random: the CPU does not turn queries and keys')
  const { output, logSumExp } = flashAttention(query, key, value, options)
  return {
    results: { output: numbersOf(output), logSumExp: numbersOf(logSumExp) },
    tables: new Map(),
  }
}
