// What a cache comes to, held against the list of its tokens: lengths, and attention of queries at some positions.
import { toFloat64Array } from '../../packages/core/src/index.ts'
import type { AttentionPlan, FlashAttention } from '../../packages/webgpu-flash/src/index.ts'
import { asTensor, dim, isLost } from './cache-life.ts'
import type { Life } from './cache-life.ts'
import { attendRow, turnRow } from './cache-model.ts'

export function compareLengths({ cache, held }: Life): string[] {
  const [actual, wanted] = [cache.lengths.join(), held.map(({ length }) => length).join()]
  return actual === wanted ? [] : [`lengths are ${actual}, not ${wanted}`]
}

interface Appended {
  readonly rows: number
  readonly counts: readonly number[]
  readonly padding: 'left' | 'right'
  readonly starts: readonly number[]
}

/** Attention of the rows just appended. */
export async function compareForward(
  flash: FlashAttention,
  life: Life,
  plan: AttentionPlan,
  { rows, counts, padding, starts }: Appended,
): Promise<string[]> {
  const positions = counts.map((count, b) =>
    Array.from({ length: rows }, (_, row) => {
      const index = padding === 'left' ? row - (rows - count) : row
      return index >= 0 && index < count ? starts[b]! + index : undefined
    }),
  )
  return compare(flash, life, plan, positions)
}

/** Attention of the last token of each sequence. */
export const compareLast = (
  flash: FlashAttention,
  life: Life,
  plan: AttentionPlan,
): Promise<string[]> =>
  compare(
    flash,
    life,
    plan,
    life.held.map(({ length }) => [length > 0 ? length - 1 : undefined]),
  )

/** What keys that were turned, weights and outputs may lose. */
const allowed = { float32: 2e-5, float16: 1e-2, bfloat16: 8e-2 } as const

async function compare(
  flash: FlashAttention,
  life: Life,
  plan: AttentionPlan,
  positions: readonly (readonly (number | undefined)[])[],
): Promise<string[]> {
  const { sizes, held, dtype, choose, cache } = life
  const { heads } = sizes
  const queries = positions.map((own) =>
    // Numbers of few bits, which every type has.
    own.map(() => Array.from({ length: heads * dim }, () => choose.integer(-16, 16) / 16)),
  )
  const query = flash.upload(asTensor(dtype, queries, heads))
  const lost = positions.some((own, b) => {
    const first = held[b]!.length - own.length
    const start = own.find((position) => position !== undefined) ?? first
    return isLost(life, b, held[b]!.length, Math.min(first, start))
  })
  let outputs
  try {
    outputs = plan.forward({ query, ...cache.inputs() })
  } catch (error) {
    flash.release(query)
    return lost && error instanceof RangeError ? [] : [String(error)]
  }
  const { output, logSumExp } = outputs
  const actual = toFloat64Array(await flash.download(output))
  flash.release(query, output, logSumExp)
  const length = positions[0]!.length
  let worst = 0
  for (const [b, own] of positions.entries()) {
    for (const [row, position] of own.entries()) {
      if (position === undefined) continue
      for (let head = 0; head < heads; head++) {
        const part = queries[b]![row]!.slice(head * dim, (head + 1) * dim)
        const wanted = attendRow(
          sizes,
          held[b]!,
          turnRow(part, position, sizes.rope),
          head,
          position,
        )
        const first = ((b * heads + head) * length + row) * dim
        wanted.forEach((x, d) => {
          const error = Math.abs(x - actual[first + d]!)
          worst = Number.isNaN(error) ? Infinity : Math.max(worst, error)
        })
      }
    }
  }
  return worst <= allowed[dtype] ? [] : [`attention is off by ${worst}`]
}
