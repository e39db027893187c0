// The end of a workgroup of the decode kernel: what its threads found for the same rows is added up.
import { unroll } from '../../codegen/snippets.ts'
import { laneVectors } from '../../plan/decode/decode-tile.ts'
import type { DecodeConfig } from './decode-config.ts'
import { vectorText } from './decode-loads.ts'

/** Adds up the slots' results, and stores a part of a row, or the row. */
export function epilogue(config: DecodeConfig): string {
  const { tile, memory, valueDim, whole } = config
  const { threads, lanes, rows } = tile
  const slots = threads / lanes
  // Large values must not overflow where the slots are added up.
  const factor = slots > 1 ? ` * ${1 / slots}` : ''
  const own = laneVectors(valueDim, lanes)
  const rowVectors = own * lanes
  const rowsAtOnce = Math.min(rows, Math.max(1, Math.floor(memory.vectors / (threads * own))))
  const passes = Math.ceil(rows / rowsAtOnce)
  const pass = (index: number): string => {
    const first = index * rowsAtOnce
    const count = Math.min(rowsAtOnce, rows - first)
    return `${index === 0 ? '' : 'workgroupBarrier();\n'}${unroll(count, (i) =>
      unroll(
        own,
        (v) =>
          `tile[(${i * slots}u + slot) * ${rowVectors}u + ${vectorText(config.value, own, v, lanes)}] = output${first + i}_${v};`,
      ),
    )}
workgroupBarrier();
for (var unit = thread; unit < ${count}u * valueVectors; unit += ${threads}u) {
  let row = firstRow + ${first}u + unit / valueVectors;
  let tileRow = ${first}u + unit / valueVectors;
  let vector = unit % valueVectors;
  var sum = vec4<f32>(0.0);
  var total = 0.0;
  var maximum = smallestMaximum;
  for (var other = 0u; other < slots; other++) {
    sum += tile[((unit / valueVectors) * slots + other) * ${rowVectors}u + vector];
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
