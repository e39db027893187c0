// Decoding without a GPU: which calls it takes, that parts of the keys between them hold every key that
// a row sees, and that dispatches hold every part once, within the device's limits.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compile, mask } from '@attn/core'
import type { Mask } from '@attn/core'
import { defaultCapabilities } from '../../../src/device/capabilities.ts'
import type { DecodePlan } from '../../../src/plan/decode/decode-plan.ts'
import { decoding } from '../plans.ts'
import { cutDecode } from '../../../src/plan/decode/decode-dispatches.ts'
import { decodeLengths, partRange } from '../../../src/plan/decode/decode-lengths.ts'
import type { DecodeLengths } from '../../../src/plan/decode/decode-lengths.ts'
import { chooseDecodeTile, decodeMemory } from '../../../src/plan/decode/decode-tile.ts'
import { explainPlan } from '../../../src/plan/explain.ts'
import type { PlanExplanation } from '../../../src/plan/explanation.ts'
import { formatExplanation } from '../../../src/plan/format-explanation.ts'
import { contiguousTensors } from '../../../src/plan/contiguous-tensors.ts'
import { contiguousDecodeTexts } from '../../../src/run/decode/decode-texts.ts'
import { planForward } from '../../../src/plan/plan.ts'
import type { PlanOptions } from '../../../src/plan/plan-options.ts'

const capabilities = defaultCapabilities
const explain = (options: PlanOptions): PlanExplanation =>
  explainPlan(planForward(options, capabilities), capabilities)

const causal = mask('causal', ({ query, key }) => key.le(query))
const strided = mask('strided', ({ query, key }) => {
  const distance = query.sub(key)
  return distance.ge(0).and(distance.lt(20).or(distance.mod(100).lt(3)))
})
const perHead = mask('perHead', ({ batch, head, query, key }) =>
  query
    .sub(key)
    .abs()
    .lt(head.add(1).mul(30))
    .or(key.lt(batch.mul(9))),
)
const planOf = (options: PlanOptions): DecodePlan => decoding(planForward(options, capabilities))

/** The chunks of a sequence that a part has. */
function chunksOf({ words, partChunks }: DecodeLengths, sequence: number, part: number): number[] {
  const [, , count, first, list] = words.subarray(5 * sequence) as unknown as number[]
  const chunks: number[] = []
  for (let at = part * partChunks; at < Math.min((part + 1) * partChunks, count!); at++) {
    chunks.push(list! > 0 ? words[list! + at]! : first! + at)
  }
  return chunks
}

const arbitraryCall = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    kvHeads: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    queryLength: fc.integer({ min: 1, max: 16 }),
    keyLength: fc.integer({ min: 1, max: 700 }),
    workgroups: fc.integer({ min: 1, max: 60 }),
    pattern: fc.constantFrom<Mask | undefined>(undefined, causal, strided, perHead),
    lengths: fc.array(fc.nat(700), { minLength: 3, maxLength: 3 }),
  })
  .map(({ group, pattern, lengths, workgroups, ...sizes }) => {
    const keyLengths = lengths.slice(0, sizes.batch).map((most) => Math.min(most, sizes.keyLength))
    return {
      ...sizes,
      heads: group * sizes.kvHeads,
      headDim: 16,
      keyLengths,
      decodeTile: { threads: 32, lanes: 4, rows: 4, keysAhead: 4, workgroups },
      ...(pattern ? { mask: pattern } : {}),
    }
  })

describe('on software adapters', () => {
  const software = {
    ...defaultCapabilities,
    adapter: { vendor: 'google', architecture: 'swiftshader', device: '', description: '' },
  }
  const causal = mask('causal', ({ query, key }) => key.le(query))

  it.each([1, 4, 8, 20, 64, 128, 256])('asks the mask four times a text, width %i', (headDim) => {
    for (const queryLength of [1, 6, 16]) {
      const options = { heads: 12, queryLength, keyLength: 40, headDim, mask: causal }
      const plan = planForward(options, software)
      for (const text of contiguousDecodeTexts(decoding(plan))) {
        expect(text.split('visible(').length - 1).toBeLessThanOrEqual(1 + 4)
      }
    }
  })
})

describe('decodeLengths', () => {
  it('gives every key that a row sees to one part, and no part more than its share', () => {
    fc.assert(
      fc.property(arbitraryCall, (options) => {
        const { call, kernels } = planOf(options)
        const { shape, attention, visibility } = call
        const [kernel] = kernels
        const lengths = decodeLengths(kernel, shape, visibility, attention)
        const size = kernel.chunkKeys
        const allows = options.mask && compile(options.mask.expression)
        expect(lengths.parts).toBeLessThanOrEqual(kernel.mostParts)
        for (let batch = 0; batch < shape.batch; batch++) {
          const all = Array.from({ length: lengths.parts }, (_, part) =>
            chunksOf(lengths, batch, part),
          )
          const given = all.flat()
          expect(new Set(given).size).toBe(given.length)
          const held = new Set(given)
          for (let key = 0; key < attention.keyLengths[batch]!; key++) {
            if (held.has(Math.floor(key / size))) continue
            for (let head = 0; head < shape.heads; head++) {
              for (let queryIndex = 0; queryIndex < shape.queryLength; queryIndex++) {
                const query = attention.queryOffsets[batch]! + queryIndex
                const seen = allows?.({ batch, head, query, queryIndex, key }) ?? true
                expect(Boolean(seen)).toBe(false)
              }
            }
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('skips what a window hides, and lists what is no run', () => {
    const window = mask('window', ({ query, key }) => key.le(query).and(key.gt(query.sub(64))))
    const options = { heads: 1, queryLength: 1, keyLength: 4096, headDim: 64 }
    const tile = { threads: 32, lanes: 8, keysAhead: 4 } // chunks of 16 keys
    const first = explain({ ...options, mask: window, decodeTile: tile }).blocks
    expect(first).toMatchObject({ total: 256, visited: 4, skipped: 252 })
    const scattered = explain({ ...options, mask: strided, decodeTile: tile }).blocks
    expect(scattered.visited).toBeLessThan(60)
  })
})

describe('cutDecode', () => {
  it('holds every part of every head once, within the limits', () => {
    const arbitraryLimits = fc.record({
      // A head of 700 keys, from where it is aligned: plans are made for larger limits.
      maxStorageBufferBindingSize: fc.integer({ min: 46_000, max: 200_000 }),
      maxComputeWorkgroupsPerDimension: fc.integer({ min: 12, max: 30 }),
    })
    fc.assert(
      fc.property(
        arbitraryCall,
        arbitraryLimits,
        fc.integer({ min: 1e5, max: 1e7 }),
        (options, lowered, workBudget) => {
          const { call, kernels } = planOf({ ...options, workBudget })
          const [kernel] = kernels
          const { shape, attention, visibility } = call
          const lengths = decodeLengths(kernel, shape, visibility, attention)
          const [query, key, value, output, logSumExp] = contiguousTensors(call, capabilities)
          const bound = {
            query: query!,
            key: key!,
            value: value!,
            output: output!,
            logSumExp: logSumExp!,
          }
          const limits = { ...capabilities.limits, ...lowered }
          const boxes = cutDecode('test', call, kernel, bound, lengths, limits)
          const counted = new Map<string, number>()
          for (const { batches, keyHeads, parts } of boxes) {
            const x = (parts.end - parts.start) * kernel.rowTiles
            const most = limits.maxComputeWorkgroupsPerDimension
            expect(x <= most || parts.end - parts.start === 1).toBe(true)
            for (let b = batches.start; b < batches.end; b++)
              for (let h = keyHeads.start; h < keyHeads.end; h++)
                for (let p = parts.start; p < parts.end; p++) {
                  const name = `${b} ${h} ${p}`
                  counted.set(name, (counted.get(name) ?? 0) + 1)
                  const span = partRange(lengths, batches, parts)
                  for (const chunk of chunksOf(lengths, b, p)) {
                    expect(chunk >= span.start && chunk < span.end).toBe(true)
                  }
                }
          }
          expect(counted.size).toBe(shape.batch * shape.kvHeads * lengths.parts)
          expect(Math.max(...counted.values())).toBe(1)
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('a plan for few queries', () => {
  const base = { heads: 32, kvHeads: 8, queryLength: 1, keyLength: 4096, headDim: 128 }

  it('goes to the decode kernel up to 16 queries, and says why', () => {
    expect(explain(base)).toMatchObject({
      variant: 'decode',
      reason: expect.stringContaining('read once, by the 4 heads that share it at once'),
      decode: { rowsPerKey: 4, lengths: 'plan' },
    })
    expect(explain({ ...base, queryLength: 16 }).variant).toBe('decode')
    expect(explain({ ...base, queryLength: 17 }).variant).toBe('tiled')
    const tile = {
      queries: 32,
      keys: 32,
      threadRows: 8,
      threadColumns: 8,
      dimChunk: 8,
      valueChunk: 8,
    }
    expect(explain({ ...base, tile }).variant).toBe('tiled')
    expect(formatExplanation(explain(base))).toMatch(/^keys .*each key read once for 4 rows/m)
  })

  it('leaves dropout of packed sequences to the tiled kernel, and says why', () => {
    const dropout = { rate: 0.5, seed: 1 }
    const sequences = { cumulativeQueryLengths: [0, 3, 7] }
    const plan = explain({ heads: 2, queryLength: 7, headDim: 16, sequences, dropout })
    expect(plan.variant).toBe('tiled')
    expect(plan.reason).toContain('few queries, but dropout of packed sequences')
  })

  it('takes any number of queries where lengths come with each call', () => {
    const { variant, reason, decode } = explain({ ...base, queryLength: 512, lengths: 'call' })
    expect(variant).toBe('decode')
    expect(reason).toContain('a plan for fixed lengths is faster')
    expect(decode?.lengths).toBe('call')
  })

  it('does not compile anew for another length, number of heads or capacity', () => {
    const text = (more: Partial<PlanOptions>): unknown => {
      const { kernels, rules } = planOf({ ...base, ...more })
      return { tiles: kernels.map(({ tile }) => tile), code: rules.code }
    }
    const first = text({ lengths: 'call', mask: causal })
    expect(text({ lengths: 'call', mask: causal, keyLength: 65536, batch: 7 })).toEqual(first)
    expect(text({ mask: causal, heads: 16, kvHeads: 4, keyLengths: [77] })).toEqual(first)
  })

  it.each<[Partial<PlanOptions>, string]>([
    [
      { lengths: 'call', keyLengths: [4] },
      "flash.plan: keyLengths cannot be given here with lengths 'call'",
    ],
    [{ lengths: 'call', queryOffset: 0 }, 'queryOffset cannot be given'],
    [{ lengths: 'call', training: true }, "training needs lengths 'plan', got call"],
    [{ lengths: 'each' as 'call' }, 'lengths must be plan or call, got each'],
    [{ decodeTile: { lanes: 3 } }, 'the sizes of the tile do not divide; see DecodeTile'],
    [
      { decodeTile: { shuffles: true } },
      'the tile shuffles among 16 lanes, the device has subgroups of 0',
    ],
    [{ decodeTile: { threads: 512 } }, 'maxComputeInvocationsPerWorkgroup=256'],
  ])('%j is refused', (more, message) => {
    expect(() => planForward({ ...base, ...more }, capabilities)).toThrow(message)
  })
})

describe('chooseDecodeTile', () => {
  it('finds a tile for every size at the limits every device has', () => {
    for (const headDim of [1, 4, 20, 64, 96, 128, 256]) {
      for (const valueDim of [1, 64, 256]) {
        for (const rows of [1, 3, 8, 128]) {
          const tile = chooseDecodeTile({ headDim, valueDim, rows }, true, capabilities)!
          const { bytes } = decodeMemory(tile, valueDim, true)
          expect(bytes).toBeLessThanOrEqual(16384)
          expect(tile.shuffles).toBe(false)
        }
      }
    }
  })

  it('shuffles where every subgroup holds the threads of a key', () => {
    const of = (minimum: number): boolean | undefined =>
      chooseDecodeTile({ headDim: 128, valueDim: 128, rows: 4 }, false, {
        ...capabilities,
        subgroups: { minimum, maximum: 64 },
      })?.shuffles
    expect([of(8), of(16), of(32)]).toEqual([false, true, true])
  })
})
