// One problem from beginning to end: what is wrong, in sentences.
import type { FlashAttention } from '../../packages/webgpu-flash/src/index.ts'
import { expectationOf, problemOptions } from './expectation.ts'
import { computeOnGpu } from './gpu-backend.ts'
import { findings } from './judge.ts'
import { misfitFindings } from './misfits.ts'
import type { CallProblem, Problem } from './problem.ts'
import { problemTensors } from './tensors.ts'

/**
 * Runs a problem; the sentences on what is wrong. Errors of the library are findings; a device that goes away is an error.
 *
 * @throws whatever `isFatal` says is no finding.
 */
export async function runProblem(
  flash: FlashAttention,
  problem: Problem,
  isFatal: (error: unknown) => boolean = () => false,
): Promise<string[]> {
  if (problem.kind === 'misfit') {
    return misfitFindings(flash, problem)
  }
  try {
    return await runCall(flash, problem)
  } catch (error) {
    if (isFatal(error)) throw error
    return [`threw ${String(error)}`]
  }
}

async function runCall(flash: FlashAttention, problem: CallProblem): Promise<string[]> {
  const options = problemOptions(problem)
  const tensors = problemTensors(problem, options)
  const { results, tables, parts } = await computeOnGpu(flash, problem, tensors, options)
  const expected = expectationOf(problem, tensors, options, parts)
  const { dtype } = problem
  return [
    ...Object.entries(expected.results).flatMap(([name, list]) =>
      findings(name, results[name] ?? [], list, dtype),
    ),
    ...[...expected.tables].flatMap(([table, list]) =>
      findings(`gradient of ${table.name}`, tables.get(table) ?? [], list, dtype),
    ),
  ]
}
