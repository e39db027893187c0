// How many of the cases a backend runs: all, or with ATTN_BREADTH=core a fourth, where another run has
// all of them on the same kernels, and what is on trial is another driver or a browser.
import type { ConformanceCase } from './cases.ts'
import type { GoldenCase } from './golden.ts'

/** All cases; of a core, every one of float16, which drivers treat most differently, and each fourth. */
export function chosenCases<Case extends ConformanceCase | GoldenCase>(
  cases: readonly Case[],
): readonly Case[] {
  if (import.meta.env['ATTN_BREADTH'] !== 'core') return cases
  return cases.filter((each, index) => {
    return ('dtype' in each && each.dtype === 'float16') || index % 4 === 0
  })
}
