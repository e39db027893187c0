// Loops that drivers leave rolled up. They repeat the body of a loop whose rounds they can count, and compiling
// takes its time for every copy: what runs once a workgroup is not worth that, whatever it would save.
import { indent } from '../codegen/snippets.ts'

/** Declares `nothing`, which is 0, as no compiler knows: what the steps of the loops depend on. */
export const declareNothing = 'let nothing = params.negativeInfinity ^ 0xff800000u;'

/** Runs `body` for the variable `name` from 0 on, `count` times; in the scope of `nothing`. */
export function rolledLoop(name: string, count: number, body: string): string {
  return `for (var ${name} = 0u; ${name} < ${count}u; ${name} = (${name} + 1u) ^ nothing) {
${indent(body, 2)}
}`
}
