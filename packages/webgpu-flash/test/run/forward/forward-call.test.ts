// The numbers of one dispatch: wherever tensors lie and however a call is cut, the shader's address of
// an element is the element's.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AttentionShape, DType } from '@attn/core'
import { defaultCapabilities, defaultLimits } from '../../../src/device/capabilities.ts'
import type { GpuTensor } from '../../../src/index.ts'
import { forwardDispatches } from '../../../src/plan/forward/forward-dispatches.ts'
import { chooseTile } from '../../../src/plan/forward/tiles.ts'
import { planForward } from '../../../src/plan/plan.ts'
import { inPasses } from '../../plan/plans.ts'
import {
  bindingRanges,
  boundTensors,
  parameterFields,
} from '../../../src/run/forward/forward-call.ts'
import { accessOf } from '../../../src/plan/access-of.ts'
import { checkTensors } from '../../../src/run/forward/forward-tensors.ts'
import type { ForwardInputs, ForwardOutputs } from '../../../src/run/forward/forward-tensors.ts'
import { arbitraryShapes, arbitraryTensors } from '../../plan/arbitrary-call.ts'

type Tensors = ForwardInputs & ForwardOutputs

const newStorage = (): GPUBuffer => ({ size: 2 ** 30, usage: 0x80 }) as GPUBuffer

const arbitraryCalls: fc.Arbitrary<{ shape: AttentionShape; tensors: Tensors; dtype: DType }> =
  arbitraryShapes.chain((shape) =>
    fc
      .tuple(arbitraryTensors(shape), fc.constantFrom<DType>('float32', 'float16'))
      .map(([bound, dtype]) => {
        const [query, key, value, output, logSumExp] = bound.map(({ view }, index): GpuTensor => ({
          ...view,
          dtype: index === 4 ? 'float32' : dtype,
          storage: newStorage(),
        })) as [GpuTensor, GpuTensor, GpuTensor, GpuTensor, GpuTensor]
        return { shape, dtype, tensors: { query, key, value, output, logSumExp } }
      }),
  )

describe('parameterFields', () => {
  it('leads to every element that a dispatch may touch', () => {
    fc.assert(
      fc.property(
        arbitraryCalls,
        fc.constantFrom(2 ** 27, 4096, 1024),
        fc.noShrink(
          fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        ),
        ({ shape, tensors, dtype }, maxStorageBufferBindingSize, draws) => {
          const limits = { ...defaultLimits, maxStorageBufferBindingSize }
          const device = { ...defaultCapabilities, limits: defaultLimits }
          const tile = chooseTile(shape, defaultLimits)
          const [pass] = inPasses(planForward({ ...shape, dtype, tile }, device)).passes
          const bound = boundTensors(tensors)
          const cut = (): ReturnType<typeof forwardDispatches>['dispatches'] => {
            try {
              return forwardDispatches('test', pass, Object.values(bound), limits).dispatches
            } catch {
              return [] // a single tile is too large
            }
          }
          const draw = ({ start, end }: { start: number; end: number }): number =>
            start + Math.floor(draws.next().value! * (end - start))
          for (const dispatch of cut()) {
            const ranges = bindingRanges(pass, bound, dispatch, 256, false)
            const accesses = {
              query: accessOf(tensors.query, false),
              key: accessOf(tensors.key, false),
              value: accessOf(tensors.value, false),
              output: accessOf(tensors.output, false),
            }
            const fields = parameterFields(pass, tensors, accesses, ranges, dispatch)
            const batch = draw(dispatch.batches)
            const head = draw(dispatch.heads)
            const group = shape.heads / shape.kvHeads
            for (const name of ['query', 'key', 'value', 'output'] as const) {
              const ofKeys = name === 'key' || name === 'value'
              const tiles = ofKeys ? dispatch.keyTiles : dispatch.queryTiles
              const size = ofKeys ? tile.keys : tile.queries
              const length = ofKeys ? shape.keyLength : shape.queryLength
              const rows = { start: tiles.start * size, end: Math.min(tiles.end * size, length) }
              const [row, dim] = [draw(rows), draw({ start: 0, end: tensors[name].shape[3]! })]
              const ownHead = ofKeys ? Math.floor(head / group) : head
              // As the shader does it: u32 words, vectors of 4 where a tensor allows them.
              const { vector } = accesses[name]
              const base =
                (fields[`${name}Offset`]! +
                  batch * fields[`${name}Batch`]! +
                  ownHead * fields[`${name}Head`]! +
                  row * fields[`${name}Row`]!) >>>
                0
              const element = vector ? 4 * base + dim : base + dim * fields[`${name}Dim`]!
              const { strides, offset } = tensors[name]
              const place = [batch, ownHead, row, dim].reduce(
                (sum, index, axis) => sum + index * strides[axis]!,
                offset,
              )
              const bytes = dtype === 'float16' ? 2 : 4
              expect(ranges[name].offset + element * bytes).toBe(place * bytes)
              expect((element + 1) * bytes).toBeLessThanOrEqual(ranges[name].size)
            }
            const row = draw(dispatch.queryTiles) * tile.queries
            const sum =
              (fields['logSumExpOffset']! +
                (batch * shape.heads + head) * shape.queryLength +
                row) >>>
              0
            expect(ranges.logSumExp.offset + 4 * sum).toBe(
              4 *
                (tensors.logSumExp.offset + (batch * shape.heads + head) * shape.queryLength + row),
            )
          }
        },
      ),
    )
  })
})

describe('checkTensors', () => {
  const shape = {
    batch: 1,
    heads: 2,
    kvHeads: 1,
    queryLength: 4,
    keyLength: 6,
    headDim: 8,
    valueDim: 3,
  }
  const plan = planForward({ ...shape, dtype: 'float16' }, defaultCapabilities)
  const make = (sizes: readonly number[], more: Partial<GpuTensor> = {}): GpuTensor => {
    const strides = sizes.map((_, axis) => sizes.slice(axis + 1).reduce((a, b) => a * b, 1))
    const buffer = { size: 4096, usage: 0x80 } as GPUBuffer
    return { dtype: 'float16', shape: sizes, strides, offset: 0, storage: buffer, ...more }
  }
  const tensors = {
    query: make([1, 2, 4, 8]),
    key: make([1, 1, 6, 8]),
    value: make([1, 1, 6, 3]),
    output: make([1, 2, 4, 3], { strides: [32, 16, 4, 1] }),
    logSumExp: make([1, 2, 4], { dtype: 'float32' }),
  }
  const check = (more: object, nativeFloat16 = false): void =>
    checkTensors('plan.forward', plan, { ...tensors, ...more }, nativeFloat16)

  it('takes what fits, with or without outputs', () => {
    expect(() => check({})).not.toThrow()
    expect(() => check({ output: undefined, logSumExp: undefined })).not.toThrow()
    expect(() => check({ output: make([1, 2, 4, 3]) }, true)).not.toThrow()
  })

  it.each<[object, string]>([
    [
      { query: make([1, 2, 5, 8]) },
      'plan.forward: query must have shape [1, 2, 4, 8], got [1, 2, 5, 8]',
    ],
    [
      { logSumExp: make([1, 2, 4, 1], { dtype: 'float32' }) },
      'logSumExp must have shape [1, 2, 4]',
    ],
    [
      { value: make([1, 1, 6, 3], { offset: 2048 }) },
      'plan.forward: value reaches from element 2048 to 2065, beyond its buffer of 4096 bytes',
    ],
    [{ key: make([1, 1, 6, 8], { strides: [0, 0, -8, 1] }) }, 'key reaches from element -40 to 7'],
    [
      { query: make([1, 2, 4, 8], { storage: { size: 4096, usage: 0x04 } as GPUBuffer }) },
      'plan.forward: query needs a buffer with GPUBufferUsage.STORAGE',
    ],
    [
      { output: make([1, 2, 4, 3]) },
      'plan.forward: without shader-f16 a float16 output needs dim stride 1 and other strides and offset even, got strides [24, 12, 3, 1] and offset 0; use plan.createOutputs()',
    ],
    [
      { logSumExp: make([1, 2, 4], { dtype: 'float32', strides: [8, 1, 2] }) },
      'plan.forward: logSumExp must be contiguous, got strides [8, 1, 2]',
    ],
    [
      { output: { ...tensors.output, strides: [64, 32, 0, 1] } },
      'plan.forward: output must have a place of its own for each element',
    ],
    [
      { output: { ...tensors.output, storage: tensors.key.storage } },
      'plan.forward: output must have a buffer of its own, but shares that of key',
    ],
    [
      { logSumExp: { ...tensors.logSumExp, storage: tensors.output.storage } },
      'plan.forward: output must have a buffer of its own, but shares that of logSumExp',
    ],
  ])('names the rule and what came: %#', (more, message) => {
    expect(() => check(more)).toThrow(RangeError)
    expect(() => check(more)).toThrow(message)
  })

  it.each<[object, string]>([
    [{ key: undefined }, 'plan.forward: key must be a tensor in a GPUBuffer, got undefined'],
    [{ value: null }, 'plan.forward: value must be a tensor in a GPUBuffer, got null'],
    [{ mask: {} }, 'there is no option mask; write it where the plan is made: flash.plan(options)'],
    [
      { query: make([1, 2, 4, 8], { dtype: 'float32' }) },
      'plan.forward: query must be float16, got float32',
    ],
    [{ logSumExp: make([1, 2, 4]) }, 'plan.forward: logSumExp must be float32, got float16'],
    [
      { key: make([1, 1, 6, 8], { storage: new Uint16Array(48) as unknown as GPUBuffer }) },
      'plan.forward: key must be in a GPUBuffer; flash.upload makes one of a CPU tensor',
    ],
  ])('things of the wrong kind: %#', (more, message) => {
    expect(() => check(more)).toThrow(TypeError)
    expect(() => check(more)).toThrow(message)
  })
})
