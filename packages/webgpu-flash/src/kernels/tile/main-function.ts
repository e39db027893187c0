// The entry point of kernels whose threads form a grid, and the index that everything a thread does follows from.
import { indent } from '../../codegen/snippets.ts'

/**
 * The index, read from memory. Drivers that imitate workgroups on a CPU (Mesa's lavapipe) run them as coroutines, and
 * LLVM works out after each barrier what it can work out again: an index by divisions, a lane at a time, in every
 * place that asks for it. Of what comes from memory it does not know what it was worked out from: a forward kernel
 * compiles in a third less time, those of gradients in a sixth less.
 */
const fromMemory = `var indices = array<u32, 2>(index, index);
indices[params.negativeInfinity ^ 0xff800000u] = index; // the first, as no compiler knows
let thread = indices[0];`

/**
 * WGSL of `main`, whose body knows `workgroup` and `thread`.
 *
 * @param shortText - Whether for an adapter imitated in software. Default: false.
 */
export function mainFunction(threads: number, body: string, shortText = false): string {
  return `@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) ${shortText ? 'index' : 'thread'}: u32,
) {
${indent(shortText ? `${fromMemory}\n${body}` : body, 2)}
}`
}
