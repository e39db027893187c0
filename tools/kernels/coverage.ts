// Which kernels plans can ask for, which were executed, and what is left over.
import { kernelOf } from './kernel-of.ts'
import type { ReplayedPlan } from '../../packages/webgpu-flash/test/replay/replay.ts'

/** What one test file dispatched, as tools/testing/observe-kernels.ts writes it. */
export interface ObservedFile {
  readonly file: string
  /** Dispatches of each kernel. */
  readonly kernels: Readonly<Record<string, number>>
}

/** A place where kernels were executed, and how often each. */
export interface Executed {
  /** An adapter, or a file of results. */
  readonly where: string
  readonly kernels: ReadonlyMap<string, number>
}

const appleAlone =
  'Apple alone has such matrices; used there only where a small problem came out right when the library was made'

/**
 * Kernels that no adapter within reach can execute, each with the reason. A line here that turns out
 * to be executed, or that no plan asks for, is an error as well.
 */
export const outOfReach: Readonly<Record<string, string>> = {
  'forward-matrix, float32, matrices of f32 with sums of f32, shuffles': appleAlone,
  'forward-matrix, float32, matrices of f32 with sums of f32, shuffles, token orders': appleAlone,
}

/** Every kernel that the plans ask for, with the adapters that they were made for. */
export function plannedKernels(
  plans: readonly ReplayedPlan[],
): ReadonlyMap<string, readonly string[]> {
  const planned = new Map<string, Set<string>>()
  for (const { name, recording } of plans) {
    const [adapter] = name.split(' | ')
    for (const text of recording.texts) {
      const kernel = kernelOf(text)
      if (kernel === undefined) throw new Error(`${name}: a text that no kernel is known by`)
      if (!planned.has(kernel)) planned.set(kernel, new Set())
      planned.get(kernel)!.add(adapter!)
    }
  }
  return new Map(
    [...planned]
      .toSorted(([one], [other]) => one.localeCompare(other))
      .map(([kernel, adapters]) => [kernel, [...adapters]]),
  )
}

/** Sums the lines that test files left. */
export function observedKernels(lines: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const line of lines.split('\n').filter(Boolean)) {
    const { kernels } = JSON.parse(line) as ObservedFile
    for (const [kernel, count] of Object.entries(kernels)) {
      sums.set(kernel, (sums.get(kernel) ?? 0) + count)
    }
  }
  return sums
}

/**
 * What is wrong, as sentences: variants that nothing executed, kernels of which no variant was, and
 * exceptions that are none.
 */
export function coverageProblems(
  planned: ReadonlyMap<string, readonly string[]>,
  names: readonly string[],
  executed: readonly Executed[],
  exceptions: Readonly<Record<string, string>>,
): string[] {
  const ran = new Set(executed.flatMap(({ kernels }) => [...kernels.keys()]))
  const missing = [...planned.keys()]
    .filter((kernel) => !ran.has(kernel) && !(kernel in exceptions))
    .map(
      (kernel) => `no adapter executed ${kernel} (planned for ${planned.get(kernel)!.join(', ')})`,
    )
  const silent = names
    .filter((name) => ![...ran].some((kernel) => kernel.startsWith(`${name},`)))
    .map((name) => `no adapter executed any ${name}`)
  const stale = Object.keys(exceptions)
    .filter((kernel) => ran.has(kernel) || !planned.has(kernel))
    .map((kernel) => `${kernel} is no exception: ${ran.has(kernel) ? 'it ran' : 'no plan has it'}`)
  return [...missing, ...silent, ...stale]
}

/** Adapters that tests run on, with those whose plans they can run: their own, and of the least device. */
const withinReach: Readonly<Record<string, readonly string[]>> = {
  swiftshader: ['swiftshader', 'defaults'],
  lavapipe: ['lavapipe'],
}

/**
 * Variants that an adapter could have executed and did not, as sentences: a core of the tests is one only
 * where every kernel is in it.
 *
 * @param here - What was executed here, by adapter.
 */
export function missedHere(
  planned: ReadonlyMap<string, readonly string[]>,
  here: ReadonlyMap<string, ReadonlyMap<string, number>>,
): string[] {
  return [...here].flatMap(([adapter, ran]) =>
    [...planned]
      .filter(([kernel, plans]) => {
        return !ran.has(kernel) && plans.some((one) => withinReach[adapter]?.includes(one))
      })
      .map(([kernel]) => `${adapter} can run ${kernel} and did not`),
  )
}
