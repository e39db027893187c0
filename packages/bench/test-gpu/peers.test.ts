// `attn peers` with nobody but ourselves: two variants made ready, verified, timed by two clocks, and
// the ceilings they are held against. In one process here, which browsers have as well.
import { beforeAll, describe, expect, test } from 'vitest'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { unchecked } from '../src/device/dawn-flags.ts'
import { normalArray } from '../src/inputs/normal.ts'
import { attentionMask, attnPeer } from '../src/peers/attn.ts'
import type { AttnPeer } from '../src/peers/attn.ts'
import type { Ceilings } from '../src/peers/ceilings.ts'
import type { PeerMessage } from '../src/peers/messages.ts'
import type { PeerProcess } from '../src/peers/peer-process.ts'
import type { PeerInputs, PeerShape } from '../src/peers/peer.ts'
import { servePeer } from '../src/peers/serve-peer.ts'
import type { PeerRow } from '../src/report/peers-report.ts'
import { formatPeerRows } from '../src/report/peers-summary.ts'
import { contest } from '../src/suites/peer-contest.ts'
import type { Contestant } from '../src/suites/peer-contest.ts'
import { expectRows, verifyRows } from '../src/verify/expectation.ts'

const gpu = await acquireGpu()

const inputsOf = ({ heads, queryLength, keyLength, headDim }: PeerShape): PeerInputs => ({
  query: normalArray(1, heads * queryLength * headDim),
  key: normalArray(2, heads * keyLength * headDim),
  value: normalArray(3, heads * keyLength * headDim),
})

/** Right, with a time; a call this small can drown in what surrounds it, and then says so. */
function isFine({ outcome }: PeerRow): boolean {
  return outcome.status === 'skipped'
    ? outcome.reason === 'too short to be timed by chains'
    : outcome.agreement.agrees && outcome.agreement.with === 'reference' && outcome.time.median > 0
}

describe.skipIf(!gpu)('our side of attn peers', () => {
  let peer: AttnPeer
  let process: PeerProcess
  beforeAll(async () => {
    const none = (): undefined => undefined
    const setting = { resolve: none, versionOf: () => '', ownVersion: '0.0.0' }
    // Without the zeros in workgroup memory, which SwiftShader compiles very slowly.
    peer = attnPeer({ ...setting, flags: unchecked, software: false })
    const missing = await peer.available()
    if (missing !== undefined) throw new Error(missing)
    const serve = servePeer(peer, (_, shape) => inputsOf(shape))
    process = {
      ask: async (name, request) => {
        const message = { name, ...request } as Exclude<PeerMessage, { name: 'open' }>
        return (await serve(message)) as never
      },
      end: () => {},
    }
  })

  const contestants = (): Contestant[] =>
    peer.variants.map((variant) => ({
      peer: 'attn',
      variant,
      flags: 'unchecked',
      process,
      reasonAgainst: () => undefined,
    }))
  const run = (shape: PeerShape): ReturnType<typeof contest> => {
    const { heads, queryLength, keyLength, headDim, dtype } = shape
    const { query, key, value } = inputsOf(shape)
    const last = heads - 1
    const rows = (data: Float32Array, length: number): Float32Array =>
      data.subarray(last * length * headDim)
    const block = { head: last, firstRow: 0, rows: queryLength }
    const tensors = {
      query: rows(query, queryLength),
      key: rows(key, keyLength),
      value: rows(value, keyLength),
    }
    const mask = attentionMask(shape)
    const expectation = expectRows([{ ...block, ...tensors }], keyLength, mask, dtype)
    const peerCase = {
      files: { query: '', key: '', value: '' },
      blocks: [{ first: last * queryLength * headDim, count: queryLength * headDim }],
      verify: (found: readonly (readonly number[])[]) => verifyRows(expectation, found),
    }
    const options = { rounds: 1, warmUpMilliseconds: 1, budgetMilliseconds: 1 }
    return contest(contestants(), shape, peerCase, options)
  }
  const shape: PeerShape = {
    batch: 1,
    heads: 2,
    kvHeads: 2,
    queryLength: 24,
    keyLength: 24,
    headDim: 16,
    dtype: 'float32',
    mask: 'causal',
    window: 8,
  }

  test('flash and standard attention are right and have times', async () => {
    const rows = await run(shape)
    expect(rows.map(({ variant }) => variant)).toEqual(['flash', 'standard'])
    expect(rows.map(isFine)).toEqual([true, true])
    expect(formatPeerRows(rows, {})).toContain('float32, causal, B=1 H=2 L=24 D=16')
  })

  test('decoding works, and a window where the method has one', async () => {
    const decode = { ...shape, queryLength: 1, keyLength: 40, mask: 'full' as const }
    expect((await run(decode)).map(isFine)).toEqual([true, true])
    const [flash, standard] = await run({ ...shape, mask: 'window' })
    expect(isFine(flash!)).toBe(true)
    expect(standard!.outcome).toMatchObject({ reason: 'standard attention has no window here' })
  })

  test('the ceilings are what a copy and a matrix product reach', async () => {
    const { copyGigabytes, productTeraflops }: Ceilings = await process.ask('ceilings', {
      dtypes: ['float32'],
    })
    expect(copyGigabytes).toBeGreaterThan(0)
    expect(productTeraflops.float32).toBeGreaterThan(0)
    expect(productTeraflops.float16).toBeUndefined()
  })

  test('what was not prepared is an error', async () => {
    await expect(process.ask('time', { variant: 'nobody', chain: 1 })).rejects.toThrow(
      'nobody was not prepared',
    )
  })
})
