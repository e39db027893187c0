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
${indent(rolledBody(goesOn, body), 2)}
}`
}

/** Text of the body of such a loop, of which there is one copy. */
export function rolledBody(goesOn: string, body: string): string {
  return `if (nothing == 0u) {
${indent(body, 2)}
} else {
  ${goesOn} = false;
}`
}

/**
 * The same in a few copies, with an exit after each: registers of loads then take turns, and moves wait once in so many
 * rounds. Three or four run as fast as the eight that the driver makes, of half their text. Rounds are counted for the sake of
 * browsers, which count those of loops that they cannot see an end of, in 64 bits.
 */
export function repeatedWhile(goesOn: string, body: string, copies: number): string {
  const exit = `if (!${goesOn}) { break; }`
  const each = Array.from({ length: copies }, () => `{\n${indent(body, 2)}\n}`)
  return `for (var round = 0u; round < 0x7fffffffu; round++) {
  ${exit}
  if (nothing == 0u) {
${indent(each.join(`\n${exit}\n`), 4)}
  }
}`
}

/** Copies of a tile's text, where so many are the fastest. Software adapters compile each for long: enough for several. */
export const tileCopies = (fastest: number, shortText = false): number => (shortText ? 2 : fastest)
