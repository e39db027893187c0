// How many of the cases a backend runs: all; with ATTN_BREADTH=core a few, where another run has all of them on the same
// kernels, and what is on trial is another driver; with ATTN_BREADTH=sample fewer still, where it is a browser whose
// driver has the core.
import type { ConformanceCase } from './cases.ts'
import type { GoldenCase } from './golden.ts'

/** One case in so many is taken; of float16, which drivers treat most differently, one in fewer. */
const steps = { core: { others: 10, float16: 5 }, sample: { others: 24, float16: 12 } } as const

/**
 * What is asked for; undefined where that is all. Programs without a test runner have no such environment, and run
 * all. Vite puts it where `import.meta.env` stands, and nowhere else.
 */
function breadth(): (typeof steps)[keyof typeof steps] | undefined {
  const name: unknown = import.meta.env?.['ATTN_BREADTH']
  return name === 'core' || name === 'sample' ? steps[name] : undefined
}

/** Whether no more is asked for than a core, or a sample. */
export const onlyCore = (): boolean => breadth() !== undefined

/**
 * Of each of these the first is taken always: no other case runs the kernel of tables' gradients, or stores an infinite
 * float16, which a driver may pack as NaN.
 */
const needed = [/trainable/, /visible Infinity in a value, dropout, float16/]

/** All cases; of a core or a sample, some of each dtype. */
export function chosenCases<Case extends ConformanceCase | GoldenCase>(
  cases: readonly Case[],
): readonly Case[] {
  const step = breadth()
  if (!step) return cases
  const always = new Set(needed.map((one) => cases.find(({ name }) => one.test(name))))
  const isHalf = (each: Case): boolean => 'dtype' in each && each.dtype === 'float16'
  return [
    ...cases
      .filter((each) => !isHalf(each))
      .filter((each, index) => index % step.others === 0 || always.has(each)),
    ...cases.filter(isHalf).filter((each, index) => index % step.float16 === 0 || always.has(each)),
  ]
}
