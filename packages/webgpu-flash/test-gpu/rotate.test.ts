// The rotation kernel against the definition in float64: at most twice the error of a plain float32
// program that has its cosines and sines from float64, at any position.
import { cast, contiguousStrides, numbersOf, toFloat64Array } from '@attn/core'
import type { DType, RotaryEmbedding, Tensor } from '@attn/core'
import { afterAll, describe, expect, test } from 'vitest'
import golden from '../../core/test/golden/positions.json' with { type: 'json' }
import {
  fill,
  largestError,
  magnitude,
  offset,
  randomNumbers,
  sliced,
  transposed,
} from '../../core/test/conformance/index.ts'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { gpuTensor } from '../src/index.ts'
import type { FlashAttention, GpuTensor, RotaryPositions } from '../src/index.ts'
import { deviceKinds } from './devices.ts'
import { rotaryEmbedding, rotateByDefinition, roundings } from './rotary-definition.ts'

const gpu = await acquireGpu()

/** The position of a row, as the option defines it. */
function positionReader(given: RotaryPositions, length: number) {
  if (typeof given === 'number') return (_: number, row: number) => given + row
  const positions = numbersOf(given)
  return positions.length === length
    ? (_: number, row: number) => positions[row]!
    : (sequence: number, row: number) => positions[sequence * length + row]!
}

/** A tensor on the GPU that lies there as it does in memory here. */
function uploadAsItLies(flash: FlashAttention, source: Tensor): GpuTensor {
  const bytes = Math.ceil(source.storage.byteLength / 4) * 4
  const { STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage
  const buffer = flash.device.createBuffer({ size: bytes, usage: STORAGE | COPY_DST | COPY_SRC })
  const words = new Uint8Array(bytes)
  words.set(
    new Uint8Array(source.storage.buffer, source.storage.byteOffset, source.storage.byteLength),
  )
  flash.device.queue.writeBuffer(buffer, 0, words)
  const { shape, strides, offset: first } = source
  return gpuTensor(buffer, shape, { dtype: source.dtype as DType, strides, offset: first })
}

describe.skipIf(!gpu).each(deviceKinds(gpu))('rotation, %s', (_, create) => {
  let created: Promise<FlashAttention> | undefined
  const library = (): Promise<FlashAttention> => (created ??= create())
  afterAll(async () => (await created)?.destroy())

  async function check(
    source: Tensor,
    rotary: RotaryEmbedding,
    positions: RotaryPositions = 0,
    direction: 1 | -1 = 1,
  ): Promise<void> {
    const flash = await library()
    const view = uploadAsItLies(flash, source)
    const turned =
      direction === 1
        ? flash.rotate(view, rotary, { positions })
        : flash.rotateBack(view, rotary, { positions })
    const actual = await flash.download(turned)
    expect(actual.dtype).toBe(source.dtype)
    const at = positionReader(positions, source.shape[2]!)
    const exact = toFloat64Array(rotateByDefinition(source, rotary, at, direction))
    const plain = rotateByDefinition(source, rotary, at, direction, {
      compute: roundings.float32,
      store: roundings[source.dtype],
    })
    // And one rounding, so that a plain run that is exact by chance does not fail a kernel.
    const steps = { float64: 2 ** -24, float32: 2 ** -24, float16: 2 ** -11, bfloat16: 2 ** -8 }
    const rounding = steps[source.dtype]
    const allowed = 2 * largestError(toFloat64Array(plain), exact) + rounding * magnitude(exact)
    expect(largestError(toFloat64Array(actual), exact)).toBeLessThanOrEqual(allowed)
    flash.release(turned)
    view.storage.destroy()
  }

  const sizes: readonly (readonly [dim: number, rotaryDim: number])[] = [
    [16, 16],
    [64, 64],
    [24, 8], // copies whole vectors
    [18, 16], // and a part of one
    [16, 12], // pairs across vectors
    [10, 6],
    [7, 2],
  ]
  describe.each(['half', 'interleaved'] as const)('layout %s', (layout) => {
    test.each(sizes)('head dim %i, %i of them turned', async (dim, rotaryDim) => {
      expect.hasAssertions()
      const embedding = rotaryEmbedding(rotaryDim, layout, { attentionFactor: 1.25 })
      const shape = [2, 5, 9, dim]
      await check(fill(dim, shape), embedding, 3)
      await check(transposed(fill(dim + 1, shape)), embedding, 3)
      await check(fill(dim + 2, shape, 1, 'float16'), embedding, 3)
    })

    test('from slices, odd offsets and without turning at all', async () => {
      expect.hasAssertions()
      const embedding = rotaryEmbedding(16, layout)
      await check(sliced(fill(1, [2, 3, 5, 16])), embedding)
      await check(offset(fill(2, [1, 3, 5, 16], 1, 'float16')), embedding)
      await check(offset(fill(2, [1, 3, 5, 16], 1, 'bfloat16')), embedding)
      const flash = await library()
      const source = fill(3, [1, 2, 3, 8])
      const view = flash.upload(source)
      const same = await flash.download(flash.rotate(view, rotaryEmbedding(0, layout)))
      expect(same.storage).toEqual(source.storage)
    })

    test('back, as gradients are', async () => {
      expect.hasAssertions()
      const yarn = { attentionFactor: 1.2 }
      await check(fill(4, [1, 2, 7, 16]), rotaryEmbedding(16, layout, yarn), 500, -1)
      await check(fill(5, [1, 2, 7, 16]), rotaryEmbedding(12, layout, yarn), 500, -1)
    })
  })

  const length = 6
  const positionKinds: readonly (readonly [string, RotaryPositions])[] = [
    ['a million', 999_983],
    ['2^24 and on', 2 ** 24],
    ['negative ones', -1000],
    ['fractional ones', 0.25],
    ['a list for all sequences', [5, 0, 1e6, -3, 2.5, -1e6 - 0.75]],
    [
      'a list for each sequence',
      Float32Array.from({ length: 2 * length }, (_each, i) => i * i * 7),
    ],
  ]
  test.each(positionKinds)('positions: %s', async (_name, positions) => {
    expect.hasAssertions()
    const source = fill(9, [2, 3, length, 64])
    await check(source, rotaryEmbedding(64), positions)
    // As large as frequencies get, and of either sign: what turns one embedding into another.
    const inverseFrequencies = randomNumbers(3, 16).map((value) => value * 10)
    await check(source, rotaryEmbedding(32, 'interleaved', { inverseFrequencies }), positions)
  })

  test.each(golden.rope.filter((entry) => 'positions' in entry))(
    'golden vectors of transformers, layout $layout',
    async ({ layout, base, seedQ, seedK, shape, positions, q, k }) => {
      const flash = await library()
      const rotaryDim = shape![3]!
      const inverseFrequencies = Array.from(
        { length: rotaryDim / 2 },
        (_each, pair) => base! ** ((-2 * pair) / rotaryDim),
      )
      const kind = layout as 'half' | 'interleaved'
      const embedding = rotaryEmbedding(rotaryDim, kind, { inverseFrequencies })
      const agree = async (seed: number, expected: readonly number[]): Promise<void> => {
        const view = flash.upload(fill(seed, shape!, 1, 'float32'))
        const turned = flash.rotate(view, embedding, { positions: positions! })
        toFloat64Array(await flash.download(turned)).forEach((value, index) => {
          const position = positions![Math.floor(index / rotaryDim) % shape![2]!]!
          const element = index % rotaryDim
          const pair = layout === 'half' ? element % (rotaryDim / 2) : Math.floor(element / 2)
          // The golden side computed the angle in float32: it is off by roundings of its own size.
          const angle = position * inverseFrequencies[pair]!
          expect(Math.abs(value - expected[index]!)).toBeLessThan(2 ** -22 * (2 + 2 * angle))
        })
      }
      await agree(seedQ!, q!)
      if (k) await agree(seedK, k)
    },
  )

  test('goes into a part of another tensor, and leaves the rest of it', async () => {
    const flash = await library()
    const cache = flash.empty([1, 2, 8, 16])
    const appended = fill(6, [1, 2, 3, 16])
    const place: GpuTensor = { ...cache, shape: [1, 2, 3, 16], offset: 4 * 16 }
    const output = flash.rotate(flash.upload(appended), rotaryEmbedding(16), {
      positions: 4,
      output: place,
    })
    expect(output).toBe(place)
    const values = toFloat64Array(await flash.download(cache))
    const expected = toFloat64Array(
      rotateByDefinition(appended, rotaryEmbedding(16), (_each, row) => 4 + row),
    )
    for (let head = 0; head < 2; head++) {
      const rows = values.subarray(head * 8 * 16, (head + 1) * 8 * 16)
      expect(rows.subarray(0, 4 * 16).every((value) => value === 0)).toBe(true)
      expect(rows.subarray(7 * 16).every((value) => value === 0)).toBe(true)
      const own = expected.subarray(head * 3 * 16, (head + 1) * 3 * 16)
      expect(largestError(rows.subarray(4 * 16, 7 * 16), own)).toBeLessThan(1e-6)
    }
  })

  test('holds no memory but its result', async () => {
    const flash = await library()
    const view = flash.upload(fill(7, [1, 1, 4, 8]))
    const before = flash.memory.allocatedBytes
    const turned = flash.rotate(view, rotaryEmbedding(8))
    expect(flash.memory.allocatedBytes - before).toBe(4 * 8 * 4)
    flash.release(turned)
    const bad = { ...rotaryEmbedding(8), rotaryDim: 16 }
    expect(() => flash.rotate(view, bad)).toThrow(RangeError)
    expect(flash.memory.allocatedBytes).toBe(before)
  })

  test('says what does not fit', async () => {
    const flash = await library()
    const view = flash.upload(fill(8, [1, 2, 4, 8]))
    const embedding = rotaryEmbedding(8)
    const other = flash.empty([1, 2, 4, 4])
    const message = (run: () => unknown): string => {
      try {
        run()
      } catch (error) {
        return String(error)
      }
      return 'nothing thrown'
    }
    const options = (more: object) => () => flash.rotate(view, embedding, more)
    expect(message(() => flash.rotate(other, embedding))).toBe(
      'RangeError: flash.rotate: rotaryDim must be even and at most headDim=4, got 8',
    )
    expect(message(options({ positions: [1, 2, 3] }))).toContain('got 3')
    expect(message(options({ positions: 2 ** 31 }))).toContain('within 2^31, got 2147483648')
    expect(message(options({ positions: Number.NaN }))).toContain('within 2^31, got NaN')
    expect(message(options({ output: other }))).toContain('output must have shape [1, 2, 4, 8]')
    expect(message(options({ output: view }))).toContain('in another buffer')
    const nonsense = { ...embedding, layout: 'whole' } as unknown as RotaryEmbedding
    expect(message(() => flash.rotateBack(view, nonsense))).toBe(
      'TypeError: flash.rotateBack: layout must be half or interleaved, got whole',
    )
    const flat = { ...view, shape: [8, 8], strides: contiguousStrides([8, 8]) }
    expect(message(() => flash.rotate(flat, embedding))).toContain('got [8, 8]')
    const infinite = { ...embedding, attentionFactor: Infinity }
    expect(message(() => flash.rotate(view, infinite))).toContain('got Infinity')
    const short = { ...embedding, inverseFrequencies: [1, 2] }
    expect(message(() => flash.rotate(view, short))).toContain('4 inverseFrequencies, got 2')
    expect(cast(await flash.download(view), 'float32').storage).toEqual(
      fill(8, [1, 2, 4, 8]).storage,
    )
  })
})
