// How many of the cases a backend runs: all, or with ATTN_BREADTH=core a few, where another run has all of
// them on the same kernels, and what is on trial is another driver or a browser.
import type { ConformanceCase } from './cases.ts'
import type { GoldenCase } from './golden.ts'

/**
 * Whether a core is asked for. Programs without a test runner have no such environment, and run all. Vite
 * puts it where `import.meta.env` stands, and nowhere else.
 */
export const onlyCore = (): boolean => import.meta.env?.['ATTN_BREADTH'] === 'core'

/** One case in so many is in a core; of float16, which drivers treat most differently, one in fewer. */
const coreStep = 8
const coreStepOfFloat16 = 4

/** The one of these that comes first is in a core: no other case runs the kernel of tables' gradients. */
const needed = /trainable/

/** All cases; of a core, some of each dtype. */
export function chosenCases<Case extends ConformanceCase | GoldenCase>(
  cases: readonly Case[],
): readonly Case[] {
  if (!onlyCore()) return cases
  const firstNeeded = cases.find(({ name }) => needed.test(name))
  const isHalf = (each: Case): boolean => 'dtype' in each && each.dtype === 'float16'
  return [
    ...cases
      .filter((each) => !isHalf(each))
      .filter((each, index) => index % coreStep === 0 || each === firstNeeded),
    ...cases.filter(isHalf).filter((_, index) => index % coreStepOfFloat16 === 0),
  ]
}
