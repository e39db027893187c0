// What happens in a life: tokens appended, cut back, chosen from, shared, grown past their room, saved and restored.
import type {
  AttentionPlan,
  FlashAttention,
  KeyValueCache,
} from '../../packages/webgpu-flash/src/index.ts'
import { compareForward, compareLast, compareLengths } from './cache-compare.ts'
import { asTensor, cut, drawToken, isLost, most, planLength, turned } from './cache-life.ts'
import type { Life } from './cache-life.ts'
import type { ModelToken } from './cache-model.ts'

/**
 * Draws a step, takes it on both sides and compares them.
 *
 * @returns Sentences on what is wrong.
 */
export async function act(
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
