// Loops that drivers leave rolled up. They repeat the body of a loop whose rounds they can count, and compiling
// takes its time for every copy: what runs once a workgroup is not worth that, whatever it would save.
import { indent } from '../codegen/snippets.ts'

/** Declares `nothing`, which is 0, as no compiler knows: what the steps of the loops depend on. */
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
