// The cases of attention weights: between them every choice of rows, heads and reduction, every way a
// tensor can lie, and everything that changes a score.
import { biasFromTensor, mask, softcap, tensorFrom, toFloat64Array } from '../../src/index.ts'
import type { WeightsSelection } from '../../src/index.ts'
import { conformanceCase, dimsOutside, layout, offset, sliced, transposed } from './cases.ts'
import type { ConformanceCase, InputOptions, Sizes } from './cases.ts'
import { randomNumbers } from './fill.ts'
import { alibi, causal, distantPast, slidingWindow } from './patterns.ts'

/** A call, and which of its weights are asked for. */
export interface WeightsCase extends ConformanceCase {
  readonly choice: WeightsSelection
}

const sixty = { queryLength: 60, heads: 3 }
const mixed = { batch: 2, heads: 4, kvHeads: 2, queryLength: 21, keyLength: 34 }
const sum = { reduce: 'sum over queries' } as const
const most = { reduce: 'maximum' } as const
const mean = { reduce: 'mean over heads' } as const

/** Every case of attention weights. */
export function weightsCases(): WeightsCase[] {
  const bias = randomNumbers(4, 33 * 33).map((value) => (value > 0.6 ? -Infinity : 2 * value))
  const perHead = mask('headStride', ({ head, query, key }) =>
    query.sub(key).mod(head.add(2)).eq(0).and(key.le(query)),
  )
  return [
    weigh('one query, one key', {}, { queryLength: 1, headDim: 1 }),
    weigh('129 x 127, causal', {}, { queryLength: 129, keyLength: 127 }, { mask: causal }),
    weigh('65 x 300, width 20', sum, { queryLength: 65, keyLength: 300, headDim: 20 }),
    weigh('300 x 65, width 80', most, { queryLength: 300, keyLength: 65, headDim: 80, heads: 1 }),
    weigh('70 x 130, width 256', mean, { queryLength: 70, keyLength: 130, headDim: 256 }),
    weigh('one query of many heads', sum, {
      batch: 2,
      heads: 8,
      kvHeads: 2,
      queryLength: 1,
      keyLength: 300,
    }),
    weigh('some heads, in another order', { heads: [3, 1] }, mixed, { mask: causal }),
    weigh('a head twice', { heads: [2, 2, 0], ...mean }, mixed, { mask: causal }),
    weigh('the last rows', { queries: [13, 21], ...sum }, mixed, { mask: causal }),
    weigh('rows of one head', { queries: [5, 18], heads: [1], ...most }, sixty, {
      mask: slidingWindow(9, 3),
    }),
    weigh('[batch, length, heads, dim] in memory', {}, mixed, {}, layout(transposed)),
    weigh('[batch, heads, dim, length] in memory', sum, mixed, {}, layout(dimsOutside)),
    weigh('views that begin at an odd element', mean, mixed, {}, layout(offset)),
    weigh('slices along every axis', most, mixed, { mask: causal }, layout(sliced)),
    weigh(
      'padded keys and an offset for each sequence',
      sum,
      { batch: 3, queryLength: 20, keyLength: 70 },
      { mask: slidingWindow(9, 3), queryOffset: [0, 33, 50], keyLengths: [70, 0, 65] },
    ),
    weigh('rows that see nothing', {}, {}, { mask: distantPast }),
    weigh(
      'bias tensor with -Infinity',
      most,
      {},
      {
        scoreModifiers: [biasFromTensor(bias, [1, 1, 33, 33])],
      },
    ),
    weigh('ALiBi under a softcap, a mask for each head', mean, sixty, {
      mask: perHead,
      scoreModifiers: [alibi([0.5, 0.25, 0.125]), softcap(3)],
    }),
    weigh('sinks', sum, sixty, { mask: causal, sinks: [0.5, -1, 3] }),
    weigh('dropout, which weights do not see', mean, sixty, { dropout: { rate: 0.5, seed: 3 } }),
    weigh('padding that holds NaN', sum, { batch: 2 }, { keyLengths: [33, 20] }, nanFrom(20, 1)),
    weigh('a visible key that is NaN', most, {}, { mask: causal }, nanFrom(30, 0)),
    weigh('float16', {}, { queryLength: 65 }, { mask: causal }, half),
    weigh('float16, rows of odd width', sum, { headDim: 9 }, {}, half),
    weigh('bfloat16', mean, {}, { mask: causal }, { dtype: 'bfloat16' }),
  ]
}

const half = { dtype: 'float16' } as const

function weigh(
  name: string,
  choice: WeightsSelection,
  sizes: Sizes,
  options: ConformanceCase['options'] = {},
  given: InputOptions = {},
): WeightsCase {
  const asked = Object.entries(choice).map(([what, value]) => `${what} ${String(value)}`)
  const title = [name, ...asked].join(', ')
  return { ...conformanceCase(title, sizes, options, given), choice }
}

/** Keys that are NaN from a row on, in one sequence. */
function nanFrom(row: number, sequence: number): Required<Pick<InputOptions, 'prepare'>> {
  return {
    prepare: (inputs) => {
      const values = toFloat64Array(inputs.key)
      const [, heads, length, dims] = inputs.key.shape as [number, number, number, number]
      values.forEach((_, i) => {
        const plane = Math.floor(i / (heads * length * dims))
        if (plane === sequence && Math.floor(i / dims) % length >= row) values[i] = Number.NaN
      })
      return { ...inputs, key: tensorFrom(values, inputs.key.shape, inputs.key.dtype) }
    },
  }
}
