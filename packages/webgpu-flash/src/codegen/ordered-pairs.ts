// Pairs of tokens that stand in orders of their own, for kernels that count slots: functions of the names that
// kernels call find the tokens of two slots and ask those of the expressions. So a kernel's text about pairs is
// the same in any order.
import type { TokenOrders } from '@attn/core'
import { tokenFunctions } from './token-order.ts'

/** Which functions there are of tokens, each under its name and `OfTokens`. */
export interface PairFunctions {
  readonly hasMask: boolean
  readonly hasModifiers: boolean
  readonly hasSlopes: boolean
}

/** `position` and `queryIndex` are those of the slot: they are as far apart as those of the token. */
const place = 'batch: i32, head: i32, position: i32, queryIndex: i32, key: i32'

const tokens = `  let query = i32(queryToken(u32(queryIndex)));
  let token = i32(keyToken(u32(key)));`

const given = 'batch, head, position - queryIndex + query, query, token'

/** WGSL of `queryToken` and `keyToken`, and of the functions of slots; expects `data` and the lengths. */
export function orderedPairs(
  orders: TokenOrders,
  tile: { readonly queries: number; readonly keys: number },
  { hasMask, hasModifiers, hasSlopes }: PairFunctions,
): string {
  const name = hasSlopes ? 'modifiedWithSlope' : 'modified'
  const modified = `fn ${name}(score: f32, ${place}) -> ${hasSlopes ? 'vec2<f32>' : 'f32'} {
${tokens}
  return ${name}OfTokens(score, ${given});
}`
  return `${tokenFunctions(orders, tile)}

fn visible(${place}) -> bool {
${tokens}
  // Gaps between the parts of an order have numbers past the last token.
  let exist = (u32(query) < params.queryLength) & (u32(token) < data[2u * u32(batch) + 1u]);
  return exist${hasMask ? ` & visibleOfTokens(${given})` : ''};
}${hasModifiers ? `\n\n${modified}` : ''}`
}

/** WGSL of `dropoutWeights` of slots; expects `dropoutWeightsOfTokens`. */
export const orderedDropout = /* wgsl */ `fn dropoutWeights(plane: u32, query: vec4<u32>, key: vec4<u32>) -> vec4<f32> {
  let offset = data[2u * (plane / params.heads)];
  let slots = query - vec4<u32>(offset);
  let queries = vec4<u32>(queryToken(slots.x), queryToken(slots.y), queryToken(slots.z), queryToken(slots.w));
  let keys = vec4<u32>(keyToken(key.x), keyToken(key.y), keyToken(key.z), keyToken(key.w));
  return dropoutWeightsOfTokens(plane, queries + vec4<u32>(offset), keys);
}`
