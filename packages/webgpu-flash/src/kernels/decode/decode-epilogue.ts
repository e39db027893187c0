// The end of a workgroup of the decode kernel: what its threads found for the same rows is added up.
import { indent, unroll } from '../../codegen/snippets.ts'
import { laneVectors } from '../../plan/decode/decode-tile.ts'
import { partsOf } from './block-parts.ts'
import type { DecodeConfig } from './decode-config.ts'
import { vectorText } from './decode-loads.ts'

/** Text that adds a slot's vector of a row to `sum`, and what is to be known for it. */
function slotVector(
  inParts: boolean,
  rowVectors: number,
): { readonly places: string; readonly add: string } {
  const slotRow = `((unit / valueVectors) * slots + other) * ${rowVectors}u`
  if (!inParts) return { places: '', add: `sum += tile[${slotRow} + vector];` }
  return {
    places: `  let places = vec2<u32>(partPlace(4u * vector), partPlace(4u * vector + 2u));\n`,
    add: `let first = tile[${slotRow} + (places.x >> 2u)];
let second = tile[${slotRow} + (places.y >> 2u)];
sum += vec4<f32>(
  select(first.xy, first.zw, (places.x & 2u) != 0u),
  select(second.xy, second.zw, (places.y & 2u) != 0u),
);`,
  }
}

/** Adds up the slots' results, and stores a part of a row, or the row. */
export function epilogue(config: DecodeConfig): string {
  const { tile, memory, valueDim, whole } = config
  const { threads, lanes, rows } = tile
  const slots = threads / lanes
  // Large values must not overflow where the slots are added up.
  const factor = slots > 1 ? ` * ${1 / slots}` : ''
  const own = laneVectors(valueDim, lanes)
  const rowVectors = own * lanes
  const inParts = partsOf(config.value, valueDim, lanes) !== undefined
  const place = (v: number): string =>
    inParts ? `${own}u * lane + ${v}u` : vectorText(config.value, own, v, lanes)
  const { places, add } = slotVector(inParts, rowVectors)
  const rowsAtOnce = Math.min(rows, Math.max(1, Math.floor(memory.vectors / (threads * own))))
  const passes = Math.ceil(rows / rowsAtOnce)
  const pass = (index: number): string => {
    const first = index * rowsAtOnce
    const count = Math.min(rowsAtOnce, rows - first)
    return `${index === 0 ? '' : 'workgroupBarrier();\n'}${unroll(count, (i) =>
      unroll(
        own,
        (v) =>
          `tile[(${i * slots}u + slot) * ${rowVectors}u + ${place(v)}] = output${first + i}_${v};`,
      ),
    )}
workgroupBarrier();
for (var unit = thread; unit < ${count}u * valueVectors; unit += ${threads}u) {
  let row = firstRow + ${first}u + unit / valueVectors;
  let tileRow = ${first}u + unit / valueVectors;
  let vector = unit % valueVectors;
${places}  var sum = vec4<f32>(0.0);
  var total = 0.0;
  var maximum = smallestMaximum;
  for (var other = 0u; other < slots; other++) {
${indent(add, 4)}
    total += scalars[slots * rows + other * rows + tileRow];
    maximum = max(maximum, scalars[other * rows + tileRow]);
  }
  if (row < groupRows) {
    let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
    let queryIndex = row % params.queryLength;
    ${
      whole
        ? 'finishDecoded(batch, head, queryIndex, vector, maximum + shift, total, sum, f32(slots));'
        : `let place = ((batch * params.heads + head) * params.queryLength + queryIndex) * params.parts + part;
    output[place * valueVectors + vector] = sum;
    if (vector == 0u) {
      logSumExp[2u * place] = maximum + shift;
      logSumExp[2u * place + 1u] = total;
    }`
    }
  }
}`
  }
  return `workgroupBarrier();
if (lane == 0u) {
${unroll(rows, (r) => `  scalars[slot * rows + ${r}u] = maximum${r};`)}
}
workgroupBarrier();
${unroll(rows, (r) => `var top${r} = maximum${r};`)}
for (var other = 0u; other < slots; other++) {
${unroll(rows, (r) => `  top${r} = max(top${r}, scalars[other * rows + ${r}u]);`)}
}
${unroll(
  rows,
  (r) => `let share${r} = exponential(maximum${r} - top${r});
${unroll(own, (v) => `output${r}_${v} *= share${r}${factor};`)}`,
)}
if (lane == 0u) {
${unroll(rows, (r) => `  scalars[slots * rows + slot * rows + ${r}u] = sum${r} * share${r};`)}
}
${Array.from({ length: passes }, (_, index) => pass(index)).join('\n')}`
}
