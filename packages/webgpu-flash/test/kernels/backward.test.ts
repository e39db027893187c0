// The shader text of the backward kernels, kept so that a reviewer sees what a change makes of it;
// `vitest -u` writes the files anew.
import { describe, expect, it } from 'vitest'
import { floatTable, mask, scoreModifier, softcap } from '@attn/core'
import type { Access } from '../../src/codegen/access.ts'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import type { GradientPasses } from '../../src/plan/backward/gradient-passes.ts'
import { planBackward } from '../../src/plan/backward/backward-plan.ts'
import { planForward } from '../../src/plan/plan.ts'
import type { PlanOptions } from '../../src/plan/plan-options.ts'
import { measureKernel, passKernel, rowsKernel } from '../../src/run/backward/backward-kernels.ts'
import type { BackwardAccesses } from '../../src/run/backward/backward-kernels.ts'
import { partsKernels } from '../../src/run/backward/parts-kernels.ts'
import { splitKernels } from '../../src/run/backward/split-kernels.ts'
import { strided } from '../../test-gpu/ordered-masks.ts'
import { withMatrices } from '../plan/matrix-devices.ts'

const tile = {
  rows: 32,
  columns: 32,
  threadRows: 8,
  threadColumns: 8,
  dimChunk: 8,
  sourceChunk: 32,
}
const base: PlanOptions = { heads: 4, queryLength: 256, headDim: 64 }
const causal = mask('causal', ({ query, key }) => key.le(query))
const slopes = floatTable('slopes', [0.5, 0.25, 0.125, 0.0625], [4], { trainable: true })
const alibi = scoreModifier('alibi', (score, { head, query, key }) =>
  score.sub(slopes.at(head).mul(query.sub(key))),
)

const teamTile = { ...tile, sourceChunk: 8, teams: 2, parts: 2 } as const

function code(
  options: Partial<PlanOptions> = {},
): Record<'rows' | 'key' | 'query', string> & { readonly sum: string | undefined } {
  const forward = planForward({ ...base, ...options }, defaultCapabilities)
  const { backwardTiles: tiles = { query: tile, key: tile } } = options
  const plan = planBackward('flash.plan', forward, tiles, defaultCapabilities)
  const of = (dims: number): Access => ({
    dtype: forward.call.dtype,
    nativeFloat16: false,
    vector: dims % 4 === 0,
  })
  const [head, value] = [of(forward.call.shape.headDim), of(forward.call.shape.valueDim)]
  const ofHead = { query: head, key: head, dQuery: head, dKey: head }
  const ofValue = { value, output: value, dOutput: value, dValue: value }
  const accesses = { ...ofHead, ...ofValue }
  return {
    rows: rowsKernel(plan, accesses).code,
    key: passKernel(plan, plan.key.passes[0], accesses).code,
    query: passKernel(plan, plan.query.passes[0], accesses).code,
    sum: partsKernels(plan, plan.query.passes[0], accesses)[0]?.code,
  }
}

const dropout = { rate: 0.5, seed: 1 }
/** Several workgroups share the rows of dQ. */
const few = { queryLength: 16, keyLength: 4096 }

/** In two passes, whose rows meet few tokens. */
const fewTokens = { queryLength: 4096, mask: strided(64) }

/** The kernels on subgroup matrices. */
function matrixCode(options: Partial<PlanOptions> = {}) {
  const forward = planForward({ ...base, dtype: 'float16', ...options }, withMatrices)
  const plan = planBackward('flash.plan', forward, {}, withMatrices)
  const access: Access = { dtype: 'float16', nativeFloat16: true, vector: true }
  const names = ['query', 'key', 'value', 'output', 'dOutput', 'dQuery', 'dKey', 'dValue'] as const
  const accesses = Object.fromEntries(names.map((name) => [name, access])) as BackwardAccesses
  const last = ({ passes }: GradientPasses): string => {
    const pass = passes.at(-1)!
    return passKernel(plan, pass, accesses, false, pass.continues).code
  }
  return {
    keyLast: last(plan.key),
    queryLast: last(plan.query),
    magnitudes: measureKernel(plan, accesses, 'value').code,
    rows: rowsKernel(plan, accesses).code,
    key: passKernel(plan, plan.key.passes[0], accesses).code,
    query: passKernel(plan, plan.query.passes[0], accesses).code,
  }
}

/** The kernels of split float32, and what comes before them, of a call with enough heads. */
function splitCode(options: Partial<PlanOptions> = {}) {
  const forward = planForward({ ...base, heads: 128, ...options }, withMatrices)
  const plan = planBackward('flash.plan', forward, {}, withMatrices)
  const access: Access = { dtype: 'float32', nativeFloat16: true, vector: true }
  const names = ['query', 'key', 'value', 'output', 'dOutput', 'dQuery', 'dKey', 'dValue'] as const
  const accesses = Object.fromEntries(names.map((name) => [name, access])) as BackwardAccesses
  return {
    before: splitKernels(plan, accesses).map((kernel) => kernel.code),
    rows: rowsKernel(plan, accesses).code,
    key: passKernel(plan, plan.key.passes[0], accesses).code,
    query: passKernel(plan, plan.query.passes[0], accesses).code,
    unsplit: [plan.key, plan.query].map(({ leftOut }) =>
      leftOut.map((pass) => passKernel(plan, pass, accesses, true).code).join(''),
    ),
  }
}

describe('the backward kernels', () => {
  it.each([
    ['rows', code().rows],
    ['key-value', code().key],
    ['query-causal', code({ mask: causal }).query],
    ['query-table-softcap', code({ scoreModifiers: [alibi, softcap(5)] }).query],
    ['key-value-teams', code({ backwardTiles: { key: teamTile } }).key],
    ['query-in-parts', code({ ...few, mask: causal }).query],
    ['query-teams-causal', code({ mask: causal, backwardTiles: { query: teamTile } }).query],
  ])('%s', async (name, text) => {
    await expect(text).toMatchFileSnapshot(`../__wgsl__/backward-${name}.wgsl`)
  })

  it.each([
    ['matrix-key-value-causal', matrixCode({ mask: causal, kvHeads: 2 }).key],
    ['matrix-key-value-wide', matrixCode({ headDim: 128 }).key],
    ['matrix-query', matrixCode().query],
    ['matrix-query-softcap-dropout', matrixCode({ scoreModifiers: [softcap(5)], dropout }).query],
    ['matrix-key-value-few-tokens', matrixCode(fewTokens).key],
    ['matrix-key-value-goes-on', matrixCode(fewTokens).keyLast],
    ['matrix-query-goes-on', matrixCode(fewTokens).queryLast],
    ['rows-scaled', matrixCode().rows],
    ['magnitudes', matrixCode().magnitudes],
  ])('%s', async (name, text) => {
    await expect(text).toMatchFileSnapshot(`../__wgsl__/backward-${name}.wgsl`)
  })

  it.each([
    ['gradient-split-key-value-causal', splitCode({ mask: causal, kvHeads: 2 }).key],
    ['gradient-split-query-wide', splitCode({ headDim: 128 }).query],
    ['backward-key-value-unsplit', splitCode({ mask: causal }).unsplit[0]],
    ['backward-rows-split', splitCode().rows],
    ['measure-rows', splitCode().before[0]],
    ['choose-powers', splitCode().before[4]],
    ['halve-rows', splitCode().before[6]],
    ['sum-parts', code(few).sum],
  ])('%s', async (name, text) => {
    await expect(text).toMatchFileSnapshot(`../__wgsl__/${name}.wgsl`)
  })

  it('in plain WGSL leave heads alone that are split, and those are left to them', () => {
    const { key, query, unsplit } = splitCode({ mask: causal })
    for (const text of unsplit) {
      expect(text).toMatch(/\.z != 0\.0\) \{ return; \}/)
      // In one text, whose loops drivers leave rolled up: hardly any head needs it, and all would compile it.
      expect(text).not.toMatch(/careful|(dim|token|chunk)\+\+/)
    }
    for (const text of [key, query]) {
      expect(text).toMatch(/if \(gradientScale == 0\.0\) \{ return; \}/)
    }
    expect(code({ mask: causal }).key).not.toMatch(/\.z != 0\.0/)
    const trained = splitCode({ heads: 4, scoreModifiers: [alibi], mask: causal })
    // It sums the table's gradients of every head.
    expect(trained.query).not.toMatch(/\.z != 0\.0/)
  })

  it('hold only what the call needs', () => {
    for (const text of [code().key, code().query]) {
      expect(text).not.toMatch(/fn visible|fn modified|fn mapPlane|dropoutWeights|tableGradients/)
    }
    expect(code({ dropout: { rate: 0.5, seed: 1 } }).key).toContain('dropoutWeights(')
    expect(code({ scoreModifiers: [alibi] }).query).toMatch(/fn tableShare0[^]*tableGradients\[/)
    expect(code({ scoreModifiers: [alibi] }).key).not.toContain('tableShare0')
  })

  it.each([64, 128])(
    'on split float32 add small products before large ones, of %i dims',
    (headDim) => {
      const { key, query } = splitCode({ headDim })
      for (const text of [key, query]) {
        const products = [...text.matchAll(/\((own\w+?)\d\S*, (high|low|again)\d+, product0\)/g)]
        const isLarge = products.map(([, own, visited]) => own === 'ownHigh' && visited !== 'low')
        expect(isLarge.filter(Boolean)).toHaveLength(headDim / 16)
        expect(isLarge.lastIndexOf(false)).toBe(2 * (headDim / 16) - 1)
      }
    },
  )

  it('have memory in multiples of 16 bytes, at which matrices must begin whatever lies before them', () => {
    const bytes: Readonly<Record<string, number>> = { f16: 8, f32: 16, u32: 16 }
    const texts = [matrixCode, splitCode].flatMap((codeOf) => [
      codeOf({ mask: causal }),
      codeOf({ headDim: 128 }),
    ])
    for (const { key, query } of texts) {
      for (const text of [key, query]) {
        const variables = [...text.matchAll(/^var<workgroup> \w+: (.*);$/gm)].map(
          ([, type]) => type!,
        )
        expect(variables.length).toBeGreaterThanOrEqual(3)
        for (const type of variables) {
          const [, element] = /vec4<(\w+)>/.exec(type) ?? []
          const counts = [...type.matchAll(/, (\d+)>/g)].map(([, count]) => Number(count))
          const size = counts.reduce((product, count) => product * count, bytes[element!] ?? 1)
          expect([type, size % 16]).toEqual([type, 0])
        }
      }
    }
  })

  it('do not depend on lengths, the scale or the seed, so that one pipeline serves them all', () => {
    const first = code({ mask: causal, dropout })
    const longer = { queryLength: 500, keyLength: 1000, batch: 2, keyLengths: [999, 0], scale: 0.5 }
    const other = { queryLength: 77, keyLength: 1000, batch: 3, keyLengths: [9, 8, 7] }
    const changed = { rate: 0.2, seed: 99 }
    expect(code({ mask: causal, ...other, scale: 0.5, dropout: changed })).toEqual(first)
    const onMatrices = matrixCode({ mask: causal, dropout })
    expect(matrixCode({ mask: causal, ...longer, dropout: changed })).toEqual(onMatrices)
    expect(splitCode({ mask: causal, ...longer, dropout: changed })).toEqual(
      splitCode({ mask: causal, dropout }),
    )
  })
})
