// How a workgroup stores what it found of a row: the row, or its part of one.

/**
 * Statements that store the vector `vector` of the row `tileRow` of a workgroup, which is `sum`.
 *
 * @param maximum - What the row's weights are relative to.
 * @param total - The sum of its weights.
 */
export function storeVector(whole: boolean, maximum: string, total: string): string {
  return `let row = firstRow + tileRow;
if (row < groupRows) {
  let head = keyHead * params.headsPerKeyHead + row / params.queryLength;
  let queryIndex = row % params.queryLength;
  let maximum = ${maximum};
  let total = ${total};
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
}`
}
