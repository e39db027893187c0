// How a workgroup ends: its sums are looked at, and where all are finite the rows, or its part of them, are stored.
import { indent } from '../../../codegen/snippets.ts'
import { expands } from './config.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { wholeRowSums } from './softmax.ts'

/** The place of a dim of a row among the sums of all subgroups: their index and the place within. */
export function sumPlace({ memory, value }: DecodeMatrixConfig, row: string, dim: string): string {
  const at = value.quantized ? `valuePlace(${dim})` : `(${dim})`
  return `sums[${at} / ${memory.ownDims}u][${row} * ${memory.ownDims}u + ${at} % ${memory.ownDims}u]`
}

/** Ends the loop, or has it run once more with care. */
export function finishMatrixRows(config: DecodeMatrixConfig): string {
  const { tile, whole } = config
  const threads = tile.subgroups * tile.subgroupSize
  const sum = `vec4<f32>(${[0, 1, 2, 3].map((i) => sumPlace(config, 'tileRow', `4u * vector + ${i}u`)).join(', ')})`
  const eachUnit = (
    text: string,
  ): string => `for (var unit = thread; unit < rows * valueVectors; unit += ${threads}u) {
  let tileRow = unit / valueVectors;
  let vector = unit % valueVectors;
  let sum = ${sum};
${indent(text, 2)}
}`
  return `${wholeRowSums(config)}
workgroupBarrier();
if (!careful) {
${expands(config) ? '  // Elements beyond the largest half, which sums may hide.\n  if (!(all(largestScale < vec2<f16>(65504.0h)))) { found.y = 1u; }\n' : ''}${indent(
    eachUnit(`if (!allFinite(sum + vec4<f32>(rowNumbers[2u * rows + tileRow]))) { found.y = 1u; }`),
    2,
  )}
  careful = workgroupUniformLoad(&found).y != 0u;
  if (careful) { continue; }
}
${eachUnit(`let row = firstRow + tileRow;
if (row < groupRows) {
  let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
  let queryIndex = row % params.queryLength;
  let maximum = rowNumbers[rows + tileRow];
  let total = rowNumbers[2u * rows + tileRow];
  ${
    whole
      ? 'finishDecoded(batch, head, queryIndex, vector, maximum, total, sum, 1.0);'
      : `let place = ((batch * params.heads + head) * params.queryLength + queryIndex) * params.parts + part;
  output[place * valueVectors + vector] = sum;
  if (vector == 0u) {
    logSumExp[2u * place] = maximum;
    logSumExp[2u * place + 1u] = total;
  }`
  }
}`)}
break;`
}
