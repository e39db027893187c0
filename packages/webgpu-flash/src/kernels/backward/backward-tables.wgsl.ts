// Gradients of trainable tables, stage two: one workgroup an entry adds up what the workgroups of the
// dQ kernel summed, over every head and sequence whose look-ups lead to that entry.
import { expressionFunction, helperText } from '../../codegen/expression.ts'
import type { DataLayout } from '../../codegen/data-layout.ts'
import type { HelperName } from '../../codegen/helpers.ts'
import { indent } from '../../codegen/snippets.ts'
import type { TableLookup } from '../../plan/table-lookups.ts'
import { parameterBlock } from '../parameters.ts'
import { tableSumShape } from '../tile/table-sums.ts'
import { sumOfWorkgroup } from '../tile/workgroup-sum.ts'

/** One look-up, and its number among all of the plan. */
export interface NumberedLookup extends TableLookup {
  readonly number: number
}

/**
 * Uniform fields of the kernel for these look-ups, all of one table.
 *
 * @param direct - Whether pairs of another look-up have added to the table in place.
 */
export function tableFieldsOf(
  lookups: readonly NumberedLookup[],
  direct: boolean,
): readonly string[] {
  return [
    'batches',
    'heads',
    'queryLength',
    'keyLength',
    'rowTiles',
    'entries',
    'rowOfEntries',
    'negativeInfinity',
    ...(direct ? ['directBase'] : []),
    ...lookups.map(({ number }) => `tableBase${number}`),
  ]
}

const threads = 64

/**
 * The WGSL of the kernel for one table. Entry point: `main`.
 *
 * @param direct - Whether pairs of another look-up have added to the table in place.
 * @param sumThreads - Threads of the dQ kernel's workgroups.
 */
export function tableGradientKernel(
  lookups: readonly NumberedLookup[],
  direct: boolean,
  layout: DataLayout,
  sumThreads: number,
): string {
  const helpers = new Set<HelperName>()
  const functions: string[] = []
  for (const { number, indices, ownAxes } of lookups) {
    indices.forEach(({ node }, axis) => {
      if (ownAxes.includes(axis)) return
      const made = expressionFunction(`tableIndex${number}_${axis}`, node, layout, false)
      made.helpers.forEach((helper) => helpers.add(helper))
      functions.push(made.code)
    })
  }
  const sections = [
    parameterBlock(
      tableFieldsOf(lookups, direct),
      layout.descriptorWords,
      layout.parameters.length,
    ),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tableGradients: array<f32>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> dTable: array<f32>;`,
    helperText(helpers),
    ...functions,
    sumOfWorkgroup(threads),
    `@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let entry = workgroup.y * params.rowOfEntries + workgroup.x;
  var sum = 0.0;
  for (var plane = 0u; plane < params.batches * params.heads; plane++) {
    let batch = i32(plane / params.heads);
    let head = i32(plane % params.heads);
${indent(lookups.map((lookup) => lookupSum(lookup, sumThreads)).join('\n'), 4)}
  }
  let total = sumOfWorkgroup(thread, sum);
  if (thread == 0u && entry < params.entries) { dTable[entry] = total${direct ? ' + tableGradients[params.directBase + entry]' : ''}; }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

/** The index of an entry along each axis. */
function axisText(shape: readonly number[], axis: number): string {
  const below = shape.slice(axis + 1).reduce((count, size) => count * size, 1)
  return `((entry / ${below}u) % ${shape[axis]!}u)`
}

function lookupSum(lookup: NumberedLookup, sumThreads: number): string {
  const { number, table, indices, ownAxes, ownEntries } = lookup
  const { sharers } = tableSumShape(ownEntries, sumThreads)
  const slots = sharers * ownEntries
  const others = indices.map((_, axis) => axis).filter((axis) => !ownAxes.includes(axis))
  const matches = others.map(
    (axis) =>
      `u32(clamp(tableIndex${number}_${axis}(batch, head, 0, 0, 0), 0, ${table.shape[axis]! - 1})) == ${axisText(table.shape, axis)}`,
  )
  const own = ownAxes.reduce(
    (text, axis) => `(${text}) * ${table.shape[axis]!}u + ${axisText(table.shape, axis)}`,
    '0u',
  )
  return `if (${matches.length > 0 ? matches.join(' && ') : 'true'}) {
  let first = params.tableBase${number} + plane * params.rowTiles * ${slots}u + ${own};
  for (var part = thread; part < params.rowTiles * ${sharers}u; part += ${threads}u) {
    sum += tableGradients[first + part * ${ownEntries}u];
  }
}`
}
