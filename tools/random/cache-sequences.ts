// Random lives of caches: tokens appended, padded on either side, cut back, chosen from, shared, grown past their
// room, saved and restored, round a ring and in pages, and after each step attention held against a list of
// tokens on the CPU. A seed and a number repeat a life.
import {
  float16Bits,
  float16Value,
  mask,
  tensor,
  toFloat64Array,
} from '../../packages/core/src/index.ts'
import type { DType, Tensor } from '../../packages/core/src/index.ts'
import type {
  AttentionPlan,
  FlashAttention,
  KeyValueCache,
} from '../../packages/webgpu-flash/src/index.ts'
import { attendRow, turnRow } from './cache-model.ts'
import type { ModelSizes, ModelToken } from './cache-model.ts'
import { chooser, mixSeeds } from './chooser.ts'
import type { Chooser } from './chooser.ts'

/** What to run. */
export interface CacheRun {
  readonly seed: number
  readonly count: number
  /** The number of the first. Default: 0. */
  readonly first?: number | undefined
}

const dim = 32
const most = 5
const planLength = 160
const causal = mask('causal', ({ query, key }) => key.le(query))
const rope = {
  inverseFrequencies: Array.from({ length: dim / 2 }, (_, pair) => 100 ** ((-2 * pair) / dim)),
  attentionFactor: 1,
  layout: 'half',
  rotaryDim: dim,
} as const
const ring = { window: 9, sinks: 2 } as const
/** Rows of a ring: so many drafts can be taken back. */
const ringRows = ring.window + ring.sinks + most

const kinds = ['rows', 'rows, rotary', 'ring', 'ring, rotary', 'pages', 'q8_0', 'q4_0'] as const
type Kind = (typeof kinds)[number]
const dtypes = ['float32', 'float16'] as const

interface Life {
  readonly kind: Kind
  readonly dtype: DType
  readonly sizes: ModelSizes
  cache: KeyValueCache
  /** Tokens of each sequence. */
  readonly held: ModelToken[][]
  /** The longest each was since it was as short as its sinks: what a ring lost follows from it. */
  readonly longest: number[]
  readonly choose: Chooser
  readonly steps: string[]
}

/** A runner on one device, whose plans all lives share. */
export function cacheLives(flash: FlashAttention): {
  /** Sentences on what is wrong, none where all is well. */
  run(seed: number): Promise<string[]>
  destroy(): void
} {
  const plans = new Map<string, AttentionPlan>()
  const planFor = ({ kind, dtype, sizes }: Life, queryLength: number): AttentionPlan => {
    const turned = kind.endsWith('rotary')
    const key = [dtype, queryLength, turned].join()
    const known = plans.get(key)
    if (known) return known
    const { batch, heads, kvHeads } = sizes
    const made = flash.plan({
      batch,
      heads,
      kvHeads,
      headDim: dim,
      dtype,
      queryLength,
      keyLength: planLength,
      lengths: 'call',
      mask: causal,
      ...(turned ? { rope: { query: rope } } : {}),
    })
    plans.set(key, made)
    return made
  }
  const makeCache = (life: Pick<Life, 'kind' | 'dtype' | 'sizes'>, capacity: number) => {
    const { kind, dtype, sizes } = life
    const { batch, kvHeads } = sizes
    const quantized = kind === 'q8_0' || kind === 'q4_0' ? kind : undefined
    return flash.cache({
      batch,
      kvHeads,
      headDim: dim,
      dtype,
      capacity: kind.startsWith('ring') ? ringRows : capacity,
      quantized,
      ...(kind.endsWith('rotary') ? { rope } : {}),
      ...(kind.startsWith('ring') ? { ring } : {}),
      ...(kind === 'pages' ? { pages: { pageSize: 4, count: 200 } } : {}),
    })
  }
  return {
    run: async (seed) => {
      const choose = chooser(seed)
      const kind = choose.of(kinds)
      const dtype = choose.of(dtypes)
      const sizes: ModelSizes = {
        batch: 2,
        heads: 4,
        kvHeads: 2,
        dim,
        rope: kind.endsWith('rotary') ? rope : undefined,
        ring: kind.startsWith('ring') ? ring : undefined,
      }
      const life: Life = {
        kind,
        dtype,
        sizes,
        cache: makeCache({ kind, dtype, sizes }, choose.integer(8, 30)),
        held: [[], []],
        longest: [0, 0],
        choose,
        steps: [],
      }
      const findings: string[] = []
      try {
        const steps = choose.integer(5, 12)
        for (let step = 0; step < steps && findings.length === 0; step++) {
          findings.push(...(await act(flash, life, makeCache, planFor)))
        }
      } catch (error) {
        findings.push(String(error))
      }
      life.cache.destroy()
      return findings.map(
        (finding) => `seed ${seed}, ${kind}, ${dtype}, after ${life.steps.join(', ')}: ${finding}`,
      )
    },
    destroy: () => {
      for (const plan of plans.values()) plan.destroy()
    },
  }
}

async function act(
  flash: FlashAttention,
  life: Life,
  makeCache: (life: Life, capacity: number) => KeyValueCache,
  planFor: (life: Life, queryLength: number) => AttentionPlan,
): Promise<string[]> {
  const { choose, held, cache, kind, steps } = life
  const lengths = (): number[] => held.map((tokens) => tokens.length)
  const drawn = choose.of([
    'append',
    'append',
    'append',
    'keep',
    'truncate',
    'grow',
    'save',
    'share',
  ])
  if (drawn === 'truncate' || (drawn === 'share' && kind === 'pages')) {
    const wanted = held.map((tokens, b) =>
      drawn === 'share' && b === 1
        ? 0
        : choose.chance(0.2)
          ? 0
          : Math.max(0, tokens.length - choose.integer(0, most)),
    )
    steps.push(`truncate(${wanted.join()})`)
    const lost = wanted.some((length, b) => isLost(life, b, length, length))
    try {
      cache.truncate(wanted)
      if (lost) return ['a ring was cut back to what it no longer has']
    } catch (error) {
      return lost && error instanceof RangeError ? [] : [String(error)]
    }
    wanted.forEach((length, b) => cut(life, b, length))
    if (drawn === 'share') {
      const length = choose.integer(0, held[0]!.length)
      steps.push(`share(0, 1, ${length})`)
      cache.share(0, 1, length)
      held[1] = held[0]!.slice(0, length)
    }
    return compareLengths(life)
  }
  if (drawn === 'grow' && !life.sizes.ring && kind !== 'pages') {
    const capacity = Math.min(planLength, cache.capacity + choose.integer(0, 12))
    steps.push(`grow(${capacity})`)
    cache.grow(capacity)
    return []
  }
  if (drawn === 'save') {
    steps.push('save, restore')
    const restored = makeCache(life, cache.capacity)
    restored.restore(await cache.save())
    cache.destroy()
    life.cache = restored
    return compareLengths(life)
  }
  const rows = choose.integer(1, most)
  const whole = choose.chance(0.5)
  const counts = held.map(() => (whole ? rows : choose.integer(0, rows)))
  const padding = choose.of(['left', 'right'] as const)
  const room = held.every((tokens, b) => tokens.length + counts[b]! <= cache.capacity)
  steps.push(`append(${rows}: ${counts.join()} ${padding})`)
  const starts = lengths()
  const tokens = held.map(() => Array.from({ length: rows }, () => drawToken(life)))
  const upload = (name: keyof ModelToken) =>
    flash.upload(
      asTensor(
        life.dtype,
        tokens.map((own) => own.map((token) => token[name])),
        life.sizes.kvHeads,
      ),
    )
  const given = { key: upload('key'), value: upload('value'), counts, padding }
  if (!room && !life.sizes.ring) {
    try {
      cache.append(given)
      return ['more was appended than there is room for']
    } catch (error) {
      return error instanceof RangeError ? compareLengths(life) : [String(error)]
    } finally {
      flash.release(given.key, given.value)
    }
  }
  cache.append(given)
  flash.release(given.key, given.value)
  counts.forEach((count, b) => {
    const own = tokens[b]!.slice(padding === 'left' ? rows - count : 0)
    for (const token of own.slice(0, count)) {
      held[b]!.push({ ...token, key: turned(life, token.key, held[b]!.length) })
    }
    life.longest[b] = Math.max(life.longest[b]!, held[b]!.length)
  })
  const findings = [
    ...compareLengths(life),
    ...(await compareForward(flash, life, planFor(life, rows), { rows, counts, padding, starts })),
  ]
  if (drawn !== 'keep' || findings.length > 0) return findings
  const kept = counts.map((count) =>
    Array.from({ length: count }, (_, index) => index).filter(() => choose.chance(0.6)),
  )
  steps.push(`keep(${kept.map((list) => `[${list.join()}]`).join()})`)
  const after = kept.map((list, b) => starts[b]! + list.length)
  const lost = after.some((length, b) => isLost(life, b, length, length))
  try {
    cache.keep(kept)
    if (lost) return ['a ring kept what it no longer has']
  } catch (error) {
    return lost && error instanceof RangeError ? [] : [String(error)]
  }
  kept.forEach((list, b) => {
    const own = held[b]!.splice(starts[b]!)
    held[b]!.push(...list.map((index) => own[index]!))
    cut(life, b, held[b]!.length)
  })
  return [...compareLengths(life), ...(await compareLast(flash, life, planFor(life, 1)))]
}

/** Whether a ring no longer has what a query at `position` sees, in a sequence so long. */
function isLost({ sizes, longest }: Life, b: number, length: number, position: number): boolean {
  if (!sizes.ring || length <= ring.sinks) return false
  const oldest = longest[b]! - (ringRows - ring.sinks)
  return oldest > ring.sinks && position - ring.window + 1 < oldest
}

function cut({ held, longest, sizes }: Life, b: number, length: number): void {
  held[b]!.length = length
  if (!sizes.ring || length <= ring.sinks) longest[b] = length
}

const turned = ({ sizes }: Life, key: readonly number[], position: number): number[] =>
  Array.from({ length: sizes.kvHeads }, (_, head) =>
    turnRow(key.slice(head * dim, (head + 1) * dim), position, sizes.rope),
  ).flat()

/** Numbers that blocks of the kind keep as they are, so that nothing is left to rounding. */
function drawToken({ kind, choose, sizes }: Life): ModelToken {
  const [low, high, step] =
    kind === 'q8_0' ? [-126, 126, 2 ** -6] : kind === 'q4_0' ? [-7, 7, 2 ** -2] : [-64, 64, 2 ** -5]
  const extreme = kind === 'q8_0' ? 127 : kind === 'q4_0' ? -8 : undefined
  const row = (): number[] =>
    Array.from({ length: sizes.kvHeads }, () => {
      const numbers = Array.from({ length: dim }, () => choose.integer(low, high))
      if (extreme !== undefined) numbers[choose.integer(0, dim - 1)] = extreme
      return numbers.map((x) => x * step)
    }).flat()
  return { key: row(), value: row() }
}

/** `[B, H, L, D]` of rows by sequence and row, whose numbers are by head. */
function asTensor(
  dtype: DType,
  rows: readonly (readonly (readonly number[])[])[],
  heads: number,
): Tensor {
  const length = rows[0]!.length
  const values = rows.flatMap((own) =>
    Array.from({ length: heads }, (_, head) =>
      own.flatMap((row) => row.slice(head * dim, (head + 1) * dim)),
    ).flat(),
  )
  const storage =
    dtype === 'float16' ? Uint16Array.from(values, float16Bits) : Float32Array.from(values)
  return tensor(storage, [rows.length, heads, length, dim])
}

function compareLengths({ cache, held }: Life): string[] {
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
async function compareForward(
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
const compareLast = (flash: FlashAttention, life: Life, plan: AttentionPlan): Promise<string[]> =>
  compare(
    flash,
    life,
    plan,
    life.held.map(({ length }) => [length > 0 ? length - 1 : undefined]),
  )

async function compare(
  flash: FlashAttention,
  life: Life,
  plan: AttentionPlan,
  positions: readonly (readonly (number | undefined)[])[],
): Promise<string[]> {
  const { sizes, held, dtype, choose, cache } = life
  const { heads } = sizes
  const rounded = (x: number): number => (dtype === 'float16' ? float16Value(float16Bits(x)) : x)
  const queries = positions.map((own) =>
    own.map(() => Array.from({ length: heads * dim }, () => rounded(choose.integer(-16, 16) / 16))),
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
  const allowed = dtype === 'float16' ? 1e-2 : 2e-5
  return worst <= allowed ? [] : [`attention is off by ${worst}`]
}

/** Runs lives, and gives what failed. */
export async function runCacheLives(
  flash: FlashAttention,
  { seed, count, first = 0 }: CacheRun,
): Promise<{ readonly passed: number; readonly failures: readonly string[] }> {
  const lives = cacheLives(flash)
  const failures: string[] = []
  for (let index = first; index < first + count; index++) {
    failures.push(...(await lives.run(mixSeeds(seed, index))))
  }
  lives.destroy()
  return { passed: count - failures.length, failures }
}
