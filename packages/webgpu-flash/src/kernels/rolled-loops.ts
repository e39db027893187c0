// Loops that drivers leave rolled up. They repeat the body of a loop whose rounds they can count, and compiling
// takes its time for every copy: what runs once a workgroup is not worth that, whatever it would save.
import { indent } from '../codegen/snippets.ts'

/** Declares `nothing`, which is 0, as no compiler knows: what the loops depend on. */
export const declareNothing = 'let nothing = params.negativeInfinity ^ 0xff800000u;'

/** Text of the step of a loop that stays rolled up; in the scope of `nothing`. */
export const rolledStep = (name: string, by = '1u'): string =>
  `${name} = (${name} + ${by}) ^ nothing`

/** Runs `body` for the variable `name` from 0 on, `count` times; in the scope of `nothing`. */
export function rolledLoop(name: string, count: number, body: string): string {
  return `for (var ${name} = 0u; ${name} < ${count}u; ${rolledStep(name)}) {
${indent(body, 2)}
}`
}

/**
 * Runs `body` while the variable `goesOn` holds; in the scope of `nothing`. Of loops with products of matrices NVIDIA's
 * driver makes eight copies, whether it can count their rounds or not, but none of a body in a condition that it
 * cannot know: less than half of the text is left to compile. What it costs: loads for a later round wait at the end of
 * this one, since registers move there. What it brings: branches, where copies compute both sides.
 */
export function rolledWhile(goesOn: string, body: string): string {
  return `while (${goesOn}) {
  if (nothing == 0u) {
${indent(body, 4)}
  } else {
    ${goesOn} = false;
  }
}`
}
