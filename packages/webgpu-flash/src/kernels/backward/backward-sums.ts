// The gradients that a workgroup sums, in registers of its threads, and how they are written: by the kernels
// in plain WGSL.
import { capitalized, indent, unroll } from '../../codegen/snippets.ts'
import type { GradientOutput } from './backward-frame.ts'
import { rolledLoop } from '../rolled-loops.ts'
import { loopStep, ownRows } from '../tile/grid.ts'
import type { PairGrid } from '../tile/pair-gradient.ts'
import { tokenText } from './slots.ts'
import type { SlotConfig } from './slots.ts'

/** Registers of a gradient: rows of vectors of dims. */
export function accumulatorNames(name: string, rows: number, vectors: number): string[][] {
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: vectors }, (_unused, c) => `${name}${i}_${c}`),
  )
}

/** Declares them. */
export function startAccumulators(names: readonly (readonly string[])[]): string {
  return names
    .flat()
    .map((name) => `var ${name} = vec4<f32>(0.0);`)
    .join('\n')
}

/** Gathers registers in the array `{name}Sums`, so that a loop can go over them. */
export function gatherAccumulators(name: string, registers: readonly string[]): string {
  return `var ${name} = array<vec4<f32>, ${registers.length}>(${registers.join(', ')});`
}

/**
 * Writes a gradient, or adds it to what earlier dispatches wrote.
 *
 * @param sums - Name of the array that holds the thread's part of it.
 * @param factor - Text of a factor on all of it.
 */
export function storeGradient(
  grid: PairGrid,
  { name, dims }: GradientOutput,
  vectors: number,
  sums: string,
  first: string,
  last: string,
  factor: string,
  config: SlotConfig,
): string {
  const rows = ownRows(grid)
  const capital = capitalized(name)
  const store = (offset: string, c: string): string => `{
  let vector = column + ${offset};
  if (vector < ${Math.ceil(dims / 4)}u) {
    var sum = ${sums}[i * ${vectors}u + ${c}]${factor === '' ? '' : ` * ${factor}`};
    if (params.accumulate != 0u) { sum += load${capital}(base, vector); }
    store${capital}(base, vector, sum);
  }
}`
  const stores = grid.rolled
    ? rolledLoop('c', vectors, store(`c * ${grid.threadColumns}u`, 'c'))
    : unroll(vectors, (c) => store(`${c * grid.threadColumns}u`, `${c}u`))
  const slot = `${first} + row * ${rows}u + i`
  const copied = config.inParts && config.rules.ordered === true
  // A loop over the rows: it runs once, and unrolled it would be half of the program to compile.
  return `for (var i = 0u; i < ${rows}u; ${loopStep(grid, 'i')}) {
  let tokenRow = ${tokenText(config.rules, grid.rowTokens, slot)};
  if (tokenRow <= ${last}) {
    let base = ${name}Base + ${copied ? `(${slot})` : 'tokenRow'} * params.${name}Row;
${indent(stores, 4)}
  }
}`
}

/** The same for a gradient in registers of its own. */
export function storeAccumulators(
  grid: PairGrid,
  output: GradientOutput,
  vectors: number,
  first: string,
  last: string,
  factor: string,
  config: SlotConfig,
): string {
  const sums = `${output.name}Sums`
  const registers = accumulatorNames(output.name, ownRows(grid), vectors).flat()
  return `${gatherAccumulators(sums, registers)}
${storeGradient(grid, output, vectors, sums, first, last, factor, config)}`
}
