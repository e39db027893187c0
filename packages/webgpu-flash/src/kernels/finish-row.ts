// The last step of a forward kernel: divide a row by its sum once (FlashAttention-2, 2307.08691)
// and store it with its log-sum-exp, or merge it by log-sum-exp with the result of other keys that
// an earlier dispatch left there.
import { unroll } from '../codegen/snippets.ts'

/**
 * WGSL of `finishRow`, for rows of `valueColumns` vectors a thread.
 *
 * @param parts - Whether rows are parts of rows, in buffers of their own; see plan/split-rows.ts.
 */
export function finishRowFunction(
  threadColumns: number,
  valueColumns: number,
  parts = false,
): string {
  const arguments_ = Array.from({ length: valueColumns }, (_, c) => `, o${c}: vec4<f32>`).join('')
  const places = unroll(valueColumns, (c) => `  let vector${c} = column + ${c * threadColumns}u;`)
  const perVector = (line: (c: number) => string): string => unroll(valueColumns, line)
  const mergeText = `  if (params.mergeWithOutput != 0u && previous > hidden) {
    let larger = max(previous, result);
    let previousPart = exp(previous - larger);
    let ownPart = exp(result - larger);
    let sum = previousPart + ownPart;
    result = larger + log(sum);
${perVector((c) => `    r${c} = (loadOutput(base, min(vector${c}, valueVectors - 1u)) * previousPart + r${c} * ownPart) / sum;`)}
  }`
  return /* wgsl */ `fn logSumExpPlace(batch: u32, head: u32, queryRow: u32) -> u32 {
  return params.logSumExpOffset + (batch * params.heads + head) * ${parts ? 'params.mapQueryTiles * tileQueries' : 'params.queryLength'} + queryRow;
}

fn finishRow(batch: u32, head: u32, queryRow: u32, column: u32, previous: f32, total: f32, maximum: f32${arguments_}) {
  let base = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow * params.outputRow;
${places}
  let seen = total > 0.0;
  let weight = select(0.0, 1.0 / total, seen);
  var result = select(hidden, maximum + log(total), seen);
${perVector((c) => `  var r${c} = o${c} * weight;`)}
${parts ? '' : mergeText}
${perVector((c) => `  if (vector${c} < valueVectors) { storeOutput(base, vector${c}, r${c}); }`)}
  if (column == 0u) {
    logSumExp[logSumExpPlace(batch, head, queryRow)] = select(bitcast<f32>(params.negativeInfinity), result, result > hidden);
  }
}`
}
