// The cases of the forward pass that are about shapes and numbers: sizes, layouts, lengths and
// offsets, extreme scores, float16.
import { cast, scoreModifier, slice, softcap } from '../../src/index.ts'
import type { DType, ScoreModifier, Tensor } from '../../src/index.ts'
import {
  conformanceCase,
  dimsOutside,
  layout,
  offset,
  sharedByBatch,
  sliced,
  transposed,
} from './cases.ts'
import type { ConformanceCase, Inputs } from './cases.ts'
import { notFiniteCases } from './not-finite-cases.ts'
import { optionCases } from './option-cases.ts'
import { alibi, causal, distantPast, slidingWindow } from './patterns.ts'

/** Every case of the forward pass. */
export function conformanceCases(): readonly ConformanceCase[] {
  made ??= makeCases()
  return made
}

/** Made once, so that what is expected of each is worked out once (see forward-problems.ts). */
let made: readonly ConformanceCase[] | undefined

function makeCases(): ConformanceCase[] {
  return [
    ...sizeCases(),
    ...layoutCases(),
    latentCase('latent attention', 'float32', 20),
    latentCase('latent attention, one query, float16', 'float16', 1),
    conformanceCase('widths 257 and 300', {
      queryLength: 33,
      keyLength: 65,
      headDim: 257,
      valueDim: 300,
    }),
    conformanceCase(
      'width 512, three queries',
      { batch: 2, heads: 4, kvHeads: 2, queryLength: 3, keyLength: 130, headDim: 512 },
      { mask: causal },
    ),
    ...positionCases(),
    ...optionCases(),
    ...extremeCases(),
    ...notFiniteCases(),
    ...float16Cases(),
    ...bfloat16Cases(),
  ]
}

function sizeCases(): ConformanceCase[] {
  const cases: readonly (readonly [
    lengths: readonly [queries: number, keys: number],
    dims: readonly [headDim: number, valueDim: number],
    heads: readonly [batch: number, heads: number, kvHeads: number],
    causal: boolean,
  ])[] = [
    [[1, 1], [1, 1], [1, 1, 1], false],
    [[1, 300], [64, 64], [2, 4, 2], true],
    [[17, 17], [4, 4], [2, 3, 3], true],
    [[63, 63], [20, 20], [1, 2, 2], false],
    [[64, 64], [64, 64], [1, 2, 2], true],
    [[65, 65], [80, 80], [1, 2, 1], true],
    [[127, 129], [128, 128], [1, 1, 1], true],
    [[129, 127], [1, 1], [1, 2, 2], true],
    [[300, 300], [20, 20], [1, 1, 1], true],
    [[65, 17], [256, 256], [1, 1, 1], false],
    [[17, 65], [256, 64], [1, 2, 1], true],
    [[64, 63], [128, 20], [1, 2, 2], false],
    [[129, 65], [4, 256], [1, 1, 1], false],
    [[1, 1], [256, 1], [3, 6, 2], true],
    [[300, 1], [64, 80], [1, 1, 1], false],
    [[64, 128], [80, 128], [1, 6, 3], true],
  ]
  return cases.map(([lengths, dims, [batch, heads, kvHeads], isCausal]) => {
    const [queryLength, keyLength] = lengths
    const [headDim, valueDim] = dims
    const shape = { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
    const title = Object.entries(shape).map(([name, size]) => `${name} ${size}`)
    const options = isCausal ? { mask: causal } : {}
    return conformanceCase(`${title.join(', ')}${isCausal ? ', causal' : ''}`, shape, options)
  })
}

function layoutCases(): ConformanceCase[] {
  const sizes = { batch: 2, heads: 4, kvHeads: 2, queryLength: 21, keyLength: 34, valueDim: 12 }
  const options = { mask: causal }
  return [
    conformanceCase('[batch, length, heads, dim] in memory', sizes, options, layout(transposed)),
    conformanceCase('[batch, heads, dim, length] in memory', sizes, options, layout(dimsOutside)),
    conformanceCase('views that begin at an odd element', sizes, options, layout(offset)),
    conformanceCase('slices along every axis', sizes, options, layout(sliced)),
    conformanceCase('one sequence for the whole batch', sizes, options, layout(sharedByBatch)),
    conformanceCase('another layout for each input', sizes, options, {
      prepare: ({ query, key, value }) => ({
        query: sliced(query),
        key: transposed(key),
        value: dimsOutside(value),
      }),
    }),
  ]
}

/** Multi-head latent attention, absorbed: all heads share one key, whose first dims are the value. */
function latentCase(name: string, dtype: DType, queryLength: number): ConformanceCase {
  const sizes = { heads: 4, kvHeads: 1, queryLength, keyLength: 70, headDim: 576, valueDim: 512 }
  return conformanceCase(
    name,
    sizes,
    { mask: causal },
    {
      dtype,
      amplitude: 0.5,
      prepare: ({ query, key }) => ({ query, key, value: slice(key, 3, 0, 512) }),
    },
  )
}

function positionCases(): ConformanceCase[] {
  const three = { batch: 3, queryLength: 20, keyLength: 70 }
  const keyLengths = [70, 0, 41]
  return [
    conformanceCase('padded keys, causal', three, { mask: causal, keyLengths }),
    conformanceCase('padding that holds NaN', three, { keyLengths }, padWithNaN(keyLengths)),
    conformanceCase('queries at the first positions', three, { mask: causal, queryOffset: 0 }),
    conformanceCase('queries before the first key', three, { mask: causal, queryOffset: -9 }),
    conformanceCase('queries beyond the last key', three, {
      mask: slidingWindow(30, 0),
      queryOffset: 75,
    }),
    conformanceCase('a query offset for each sequence', three, {
      mask: slidingWindow(9, 3),
      queryOffset: [0, 33, 50],
      keyLengths: [70, 40, 65],
    }),
    conformanceCase(
      'more queries than keys, causal',
      { queryLength: 50, keyLength: 31 },
      { mask: causal },
    ),
    conformanceCase('another scale', {}, { scale: 0.7 }),
    conformanceCase('a negative scale', {}, { scale: -0.3, mask: causal }),
  ]
}

/** Padding may hold anything: an implementation must not even multiply it by 0. */
function padWithNaN(keyLengths: readonly number[]): { prepare: (inputs: Inputs) => Inputs } {
  const spoil = (input: Tensor): Tensor => {
    const copy = cast(input, input.dtype)
    const [batchStride, headStride, rowStride] = copy.strides as [number, number, number, number]
    keyLengths.forEach((length, b) => {
      for (let h = 0; h < copy.shape[1]!; h++) {
        const head = b * batchStride + h * headStride
        copy.storage.fill(Number.NaN, head + length * rowStride, head + headStride)
      }
    })
    return copy
  }
  return {
    prepare: ({ query, key, value }) => ({ query, key: spoil(key), value: spoil(value) }),
  }
}

function extremeCases(): ConformanceCase[] {
  const sizes = { queryLength: 40, keyLength: 70, headDim: 4 }
  return [
    conformanceCase(
      'scores of +-10,000',
      sizes,
      { scale: 1 },
      { amplitude: 50, prepare: wholeNumbers },
    ),
    conformanceCase(
      'scores of +-10,000 that cancel in the sum',
      sizes,
      { scale: 1, mask: causal },
      { amplitude: 50 },
    ),
    conformanceCase('all scores near 10,000', sizes, {
      scoreModifiers: [shifted(10_000)],
    }),
    conformanceCase('all scores near -10,000', sizes, {
      scoreModifiers: [shifted(-10_000)],
    }),
    conformanceCase('equal scores', sizes, { scale: 0 }),
    conformanceCase('rows that see nothing', { queryLength: 70 }, { mask: distantPast }),
    conformanceCase(
      'rows that see nothing among large scores',
      { queryLength: 70, headDim: 4 },
      { mask: distantPast, scale: 1 },
      { amplitude: 50, prepare: wholeNumbers },
    ),
  ]
}

/** So that scores near +-10,000 are exact in float32: only exp could go wrong. */
function wholeNumbers({ query, key, value }: Inputs): Inputs {
  return { query: rounded(query), key: rounded(key), value }
}

function rounded(input: Tensor): Tensor {
  return { ...input, storage: Float32Array.from(input.storage, Math.round) }
}

function shifted(by: number): ScoreModifier {
  return scoreModifier('shift', (score) => score.add(by))
}

function float16Cases(): ConformanceCase[] {
  const half = { dtype: 'float16' } as const
  return [
    conformanceCase('float16', { queryLength: 65 }, {}, half),
    conformanceCase('float16, causal, width 64', { headDim: 64 }, { mask: causal }, half),
    conformanceCase(
      'float16, causal, width 128, tiles of many rows',
      { heads: 1, queryLength: 150, headDim: 128 },
      { mask: causal },
      half,
    ),
    conformanceCase(
      'float16, ALiBi and a window, width 64, tiles of many rows',
      { queryLength: 100, keyLength: 150, headDim: 64 },
      { mask: slidingWindow(40, 0), scoreModifiers: [alibi([0.25, 0.0625])] },
      half,
    ),
    conformanceCase(
      'float16, grouped heads, odd sizes',
      { heads: 6, kvHeads: 2, queryLength: 17, keyLength: 129, headDim: 20, valueDim: 7 },
      { mask: causal, scoreModifiers: [softcap(5)] },
      half,
    ),
    conformanceCase(
      'float16, ALiBi, [batch, length, heads, dim] in memory',
      { batch: 2, queryLength: 63 },
      { mask: causal, scoreModifiers: [alibi([0.25, 0.0625])] },
      { ...half, ...layout(transposed) },
    ),
    conformanceCase(
      'float16, slices along every axis',
      { batch: 2, queryLength: 31, headDim: 80 },
      { mask: slidingWindow(9, 3) },
      { ...half, ...layout(sliced) },
    ),
    conformanceCase(
      'float16, rows that see nothing',
      { queryLength: 20 },
      { mask: distantPast },
      half,
    ),
  ]
}

/** Storage alone: sums are float32, so that these meet the ways in which elements are read and written. */
function bfloat16Cases(): ConformanceCase[] {
  const brain = { dtype: 'bfloat16' } as const
  return [
    conformanceCase('bfloat16, causal', { queryLength: 65 }, { mask: causal }, brain),
    conformanceCase('bfloat16, odd widths', { headDim: 9, valueDim: 7 }, {}, brain),
    conformanceCase(
      'bfloat16, one query',
      { heads: 4, kvHeads: 2, queryLength: 1, keyLength: 130, headDim: 64 },
      { mask: causal },
      brain,
    ),
    conformanceCase(
      'bfloat16, one query, odd widths',
      { queryLength: 1, keyLength: 70, headDim: 9, valueDim: 7 },
      {},
      brain,
    ),
    conformanceCase(
      'bfloat16, [batch, length, heads, dim] in memory',
      { batch: 2, queryLength: 31, headDim: 20, valueDim: 12 },
      { scoreModifiers: [softcap(5)] },
      { ...brain, ...layout(transposed) },
    ),
    conformanceCase(
      'bfloat16, beyond the range of float16',
      {},
      { scale: 1e-12 },
      {
        ...brain,
        amplitude: 1e6,
      },
    ),
  ]
}
