// The last step of a forward kernel: divide a row by its sum once (FlashAttention-2, 2307.08691)
// and store it with its log-sum-exp, or merge it by log-sum-exp with the result of other keys that
// an earlier dispatch left there.
import { unroll } from '../codegen/snippets.ts'

/**
 * WGSL of `finishRow`, for rows of `valueColumns` vectors a thread.
 *
 * @param parts - Whether rows are parts of rows, in buffers of their own; see plan/forward/split-rows.ts.
 */
export function finishRowFunction(
  threadColumns: number,
  valueColumns: number,
  parts = false,
): string {
  const arguments_ = Array.from({ length: valueColumns }, (_, c) => `, o${c}: vec4<f32>`).join('')
  const places = unroll(valueColumns, (c) => `  let vector${c} = column + ${c * threadColumns}u;`)
  const perVector = (line: (c: number) => string): string => unroll(valueColumns, line)
  const mergeText = `  if (params.mergeWithOutput != 0u && bitcast<u32>(previous) != hiddenBits) {
    let larger = max(previous, result);
    let previousPart = exponential(previous - larger);
    let ownPart = exponential(result - larger);
    let sum = previousPart + ownPart;
    result = larger + logarithm(sum);
    // Divided before they are added, so that large values do not overflow.
${perVector((c) => `    r${c} = loadOutput(base, min(vector${c}, valueVectors - 1u)) * (previousPart / sum) + r${c} * (ownPart / sum);`)}
  }`
  return /* wgsl */ `fn logSumExpPlace(batch: u32, head: u32, queryRow: u32) -> u32 {
  return params.logSumExpOffset + (batch * params.heads + head) * ${parts ? 'params.mapQueryTiles * tileQueries' : 'params.queryLength'} + queryRow;
}

fn finishRow(batch: u32, head: u32, queryRow: u32, column: u32, previous: f32, total: f32, maximum: f32${arguments_}) {
  let base = params.outputOffset + batch * params.outputBatch + head * params.outputHead + queryRow * params.outputRow;
${places}
  let seen = bitcast<u32>(total) != 0u; // and not total > 0, since a sum of NaN is one
  let weight = select(0.0, 1.0 / total, seen);
  var result = select(bitcast<f32>(params.negativeInfinity), maximum + logarithm(total), seen);
${perVector((c) => `  var r${c} = o${c} * weight;`)}
${parts ? '' : mergeText}
${perVector((c) => `  if (vector${c} < valueVectors) { storeOutput(base, vector${c}, r${c}); }`)}
  if (column == 0u) {
    logSumExp[logSumExpPlace(batch, head, queryRow)] = result;
  }
}`
}
