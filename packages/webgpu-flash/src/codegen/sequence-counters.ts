// What dropout counts where sequences are packed: positions within the sequence, and its number, so
// that a packed call drops the pairs that the same sequences as a padded batch would.
import type { SequenceCoordinates } from '@attn/core'
import type { DataLayout } from './data-layout.ts'
import { expressionFunction } from './expression.ts'
import type { HelperName } from './helpers.ts'

/** WGSL of `countedWithin(queryIndex, key)`: query, key and sequence of a pair of packed tokens. */
export function sequenceCounters(
  within: SequenceCoordinates,
  layout: DataLayout,
  helpers: Set<HelperName>,
): string {
  const parts = [within.query, within.key, within.batch].map(({ node }, index) =>
    expressionFunction(`within${index}`, node, layout, false),
  )
  for (const part of parts) part.helpers.forEach((helper) => helpers.add(helper))
  const counters = parts.map((_, index) => `u32(within${index}(0, 0, 0, queryIndex, key))`)
  return `${parts.map(({ code }) => code).join('\n\n')}

fn countedWithin(queryIndex: i32, key: i32) -> vec3<u32> {
  return vec3<u32>(${counters.join(', ')});
}`
}
