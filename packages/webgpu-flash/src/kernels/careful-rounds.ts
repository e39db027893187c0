// What is not finite, in the plain forward kernel. A hidden pair contributes nothing whatever its value holds,
// yet a weight of 0 times NaN is NaN. The first round computes as if all was finite. Whatever was not comes
// out as NaN or infinity, since neither ever leaves a sum; where that is so the workgroup goes over its keys
// again, with the same loops: what differs is what it takes for values and weights.
//
// Round 1 has zeros in place of values that are not finite, and weights so small that sums of values near the
// largest float do not overflow. The other rounds say which rows see what was left out: their weights are 1
// where a pair is visible, and their values 1 where there was NaN or, in round 2, infinity, in round 3 the
// negative one. Round 4 finds visible weights of 0, times which either is NaN.
import { indent } from '../codegen/snippets.ts'
import { hiddenBits } from './careful.ts'
import { rolledStep } from './rolled-loops.ts'
import { eachScore, threadCount } from './tile/grid.ts'
import type { ThreadGrid } from './tile/grid.ts'

/**
 * WGSL of weights and of what the rounds make of values.
 *
 * @param keepsNaN - Whether NaN must be kept by hand, as on software adapters. Hardware does it.
 */
export const roundFunctions = (keepsNaN: boolean): string => /* wgsl */ `${hiddenBits}
const hiddenWeightBits = 0x80000000u; // its weight is -0, which no exponential is, not if it underflows

fn pairWeights(scores: vec4<f32>, reference: vec4<f32>) -> vec4<f32> {
${
  keepsNaN
    ? `  let exponents = scores - reference;
  let numbers = (bitcast<vec4<u32>>(exponents) & vec4<u32>(0x7fffffffu)) <= vec4<u32>(0x7f800000u);
  return select(exponents, exp(exponents), numbers);`
    : '  return exp(scores - reference);'
}
}

fn markedWeights(scores: vec4<f32>, reference: vec4<f32>) -> vec4<f32> {
  let weights = bitcast<vec4<u32>>(pairWeights(scores, reference));
  return bitcast<vec4<f32>>(select(weights, vec4<u32>(hiddenWeightBits), bitcast<vec4<u32>>(scores) == vec4<u32>(hiddenBits)));
}

// Marked weights as a round counts them.
fn countedWeights(weights: vec4<f32>, round: u32) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(weights);
  let none = (bits & vec4<u32>(0x7fffffffu)) == vec4<u32>(0u);
  let visible = bits != vec4<u32>(hiddenWeightBits);
  let counted = select(weights, select(vec4<f32>(1.0), vec4<f32>(0.0), none), vec4<bool>(round > 1u));
  return select(counted, select(vec4<f32>(0.0), vec4<f32>(1.0), none & visible), vec4<bool>(round == 4u));
}

fn roundValues(values: vec4<f32>, round: u32) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(values);
  let strange = (bits & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u);
  let other = select(select(0u, 0x7f800000u, round == 3u), 0xff800000u, round == 2u);
  let counted = select(vec4<f32>(0.0), vec4<f32>(1.0), strange & (bits != vec4<u32>(other)));
  return select(counted, select(values, vec4<f32>(0.0), strange), vec4<bool>(round == 1u));
}

fn allFinite(values: vec4<f32>) -> bool {
  return all((bitcast<vec4<u32>>(values) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u));
}`

/** Turns the score registers `name{i}_{j}` into weights, relative to `reference{i}`. */
export function weightsOfRound(grid: ThreadGrid, name: string): string {
  const each = (weights: string): string =>
    indent(
      eachScore(grid, name, (score) => {
        const row = score.slice(name.length).split('_')[0]!
        return `${score} = ${weights}(${score}, reference${row});`
      }),
      2,
    )
  return `if (round == 0u) {\n${each('pairWeights')}\n} else {\n${each('markedWeights')}\n}`
}

/** What becomes of the weights `name{i}_{j}` once sums and dropout have had them. */
export function countWeights(grid: ThreadGrid, name: string): string {
  return `if (round > 1u) {\n${indent(
    eachScore(grid, name, (score) => `${score} = countedWeights(${score}, round);`),
    2,
  )}\n}`
}

/** A part of workgroup memory: the name of the constant where it begins, and its vectors. */
export interface RoundRegion {
  readonly region: string
  readonly vectors: number
}

/**
 * What becomes of values, and of weights that have not been counted, once they are in workgroup memory and
 * everyone knows it. There and in loops, since the round without care is as fast then as if there was no other.
 */
export function countInMemory(
  grid: ThreadGrid,
  values: RoundRegion,
  weights: RoundRegion | undefined,
): string {
  const threads = threadCount(grid)
  const step = grid.rolled ? rolledStep('i', `${threads}u`) : `i += ${threads}u`
  const each = ({ region, vectors }: RoundRegion, counted: string): string =>
    `for (var i = thread; i < ${vectors}u; ${step}) {
  tile[${region} + i] = ${counted}(tile[${region} + i], round);
}`
  const text = [
    each(values, 'roundValues'),
    ...(weights ? [each(weights, 'countedWeights')] : []),
    'workgroupBarrier();',
  ]
  return `if (round != 0u) {\n${indent(text.join('\n'), 2)}\n}`
}

/**
 * WGSL of the rounds: `compute` in each of them, `finish` for the results, and `mark` to add `left`, which is
 * infinite or NaN, where a sum is not 0. All may hold barriers.
 *
 * @param sums - Registers of a thread, vectors, that are not finite if anything is not.
 * @param flag - A vector in workgroup memory that nothing else uses.
 */
export function inRounds(
  compute: string,
  finish: string,
  mark: string,
  sums: readonly string[],
  flag: string,
): string {
  return `// More than one where something is not finite; see kernels/careful-rounds.ts.
var round = 0u;
if (thread == 0u) { ${flag} = vec4<f32>(0.0); }
loop {
${indent(compute, 2)}
  if (round == 0u) {
    // Sums may overflow here: then care is taken for nothing.
    if (!allFinite(${sums.join(' + ')})) { ${flag} = vec4<f32>(1.0); }
    if (workgroupUniformLoad(&${flag}).x != 0.0) {
      round = 1u;
      continue;
    }
  }
  if (round < 2u) {
${indent(finish, 4)}
  } else {
    let bits = params.negativeInfinity;
    let left = bitcast<f32>(select(select(bits | 0x400000u, bits, round == 3u), bits & 0x7fffffffu, round == 2u));
${indent(mark, 4)}
  }
  if (round == 0u || round == 4u) { break; }
  round++;
}`
}
