// Random lives of caches: tokens appended, padded on either side, cut back, chosen from, shared, grown past their
// room, saved and restored, round a ring and in pages, and after each step attention held against a list of
// tokens on the CPU. A seed and a number repeat a life.
import type { AttentionPlan, FlashAttention } from '../../packages/webgpu-flash/src/index.ts'
import { causal, dim, dtypes, kinds, planLength, ring, ringRows, rope } from './cache-life.ts'
import type { Life } from './cache-life.ts'
import type { ModelSizes } from './cache-model.ts'
import { act } from './cache-steps.ts'
import { chooser, mixSeeds } from './chooser.ts'

/** What to run. */
export interface CacheRun {
  readonly seed: number
  readonly count: number
  /** The number of the first. Default: 0. */
  readonly first?: number | undefined
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
