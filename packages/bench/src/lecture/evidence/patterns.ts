// The first part of the lecture: sparse patterns. Needs no device, but for the longest contexts.
import { evaluate, planSparsity } from '@attn/core'
import {
  bigBird,
  causal,
  complexityExponent,
  fixed,
  matrixSvg,
  maskFromMatrix,
  maskStatistics,
  strided,
} from '@attn/masks'
import type { Pattern } from '@attn/masks'
import { drawFigure } from '../../chart/figure.ts'
import { formatLength, threeDigits } from '../../report/format.ts'
import type { Evidence, LectureContext, Topic } from '../claim.ts'

const [length, stride, summary] = [64, 8, 2]

/** Pairs in which a pattern and a set from the slide differ, of causal ones. */
function differences(pattern: Pattern, set: (i: number, j: number) => boolean): number {
  let count = 0
  for (let query = 0; query < length; query++) {
    for (let key = 0; key < length; key++) {
      const sees = evaluate(pattern.expression, { query, key, queryLength: length }) !== 0
      if (sees !== (key <= query && set(query, key))) count++
    }
  }
  return count
}

async function sets(): Promise<Evidence> {
  const [window, every] = strided(stride).heads as [Pattern, Pattern]
  const [block, last] = fixed(stride, { summary }).heads as [Pattern, Pattern]
  const off = [
    differences(window, (i, j) => j >= i - stride),
    differences(every, (i, j) => (i - j) % stride === 0),
    differences(block, (i, j) => Math.floor(j / stride) === Math.floor(i / stride)),
    differences(last, (_i, j) => j % stride >= stride - summary),
  ]
  const wrong = off.reduce((sum, count) => sum + count, 0)
  return {
    ran: `the four sets of the slides against their patterns, ${length} tokens, l = ${stride}, c = ${summary}`,
    found: `${wrong} of ${4 * length ** 2} pairs differ, once j <= i is added, which the slides leave out`,
    verdict: wrong === 0 ? 'holds' : 'does not hold here',
  }
}

async function validity(): Promise<Evidence> {
  const byLetter = fixed(stride).reach(length)
  const { literal } = strided(stride).reach(length)
  const missing = new Set(byLetter.literal.missing.map(([query, key]) => query * length + key))
  const picture = maskFromMatrix(
    Array.from({ length }, (_row, query) =>
      Array.from({ length }, (_column, key) => missing.has(query * length + key)),
    ),
  )
  return {
    ran: `reach of both factorizations at ${length} tokens, l = ${stride}`,
    found:
      `strided misses ${literal.missing.length} pairs; fixed misses ${missing.size} by the letter and ` +
      `${byLetter.keepingOwn.missing.length} once a position may keep what it has`,
    verdict: 'holds within limits',
    why: 'fixed attention is valid only with the residual connections that every transformer has',
    figures: [
      {
        caption: `Pairs that fixed attention does not connect in two steps, l = ${stride}`,
        svg: matrixSvg(picture, length, { title: 'Not connected', size: 360 }),
      },
    ],
  }
}

async function panels(): Promise<Evidence> {
  const drawn = [
    { caption: 'Regular attention', mask: causal() },
    { caption: `Strided attention, l = ${stride}`, mask: strided(stride).merged() },
    {
      caption: `Fixed attention, l = ${stride}, c = ${summary}`,
      mask: fixed(stride, { summary }).merged(),
    },
  ]
  const counts = drawn.map(({ mask }) => maskStatistics(mask, length).pairs)
  return {
    ran: `the three patterns of the figure at ${length} tokens`,
    found: `${counts.join(', ')} visible pairs`,
    verdict: 'holds',
    figures: drawn.map(({ caption, mask }) => ({
      caption,
      svg: matrixSvg(mask, length, { title: caption, size: 320 }),
    })),
  }
}

async function cost(): Promise<Evidence> {
  const orders = [
    { heads: 2, strides: [16, 32, 45, 64] },
    { heads: 3, strides: [6, 8, 10, 13, 16] },
    { heads: 4, strides: [4, 5, 6, 7] },
  ]
  const series = orders.map(({ heads, strides }) => ({
    label: `p = ${heads}`,
    points: strides.map((l) => {
      const tokens = l ** heads
      return [tokens, maskStatistics(strided(l, { heads }).merged(), tokens).pairs] as const
    }),
  }))
  const exponents = series.map(({ points }) => slope(points))
  const right = exponents.every(
    (exponent, index) => Math.abs(exponent - 1 - 1 / orders[index]!.heads) < 0.12,
  )
  return {
    ran: 'visible pairs of strided attention with 2, 3 and 4 heads at l = n^(1/p), counted',
    found: orders
      .map(
        ({ heads }, index) =>
          `p = ${heads}: n^${exponents[index]!.toFixed(2)} (claimed ${(1 + 1 / heads).toFixed(2)})`,
      )
      .join('; '),
    verdict: right ? 'holds' : 'does not hold here',
    figures: [
      {
        caption: 'Visible pairs by length',
        svg: drawFigure({
          title: 'Visible pairs of strided attention with p heads',
          description: 'Pairs that strided attention sees by length, for 2, 3 and 4 heads.',
          panels: [
            {
              kind: 'lines',
              xLabel: 'tokens',
              yLabel: 'visible pairs',
              xScale: 'log',
              yScale: 'log',
              series: [
                ...series,
                {
                  label: 'all causal pairs',
                  draw: 'bare',
                  points: series[0]!.points.map(([n]) => [n, (n * (n + 1)) / 2] as const),
                },
              ],
            },
          ],
        }),
      },
    ],
  }
}

/** Of a line through points in their logarithms. */
function slope(points: readonly (readonly [number, number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const)
  const mean = (index: 0 | 1): number =>
    logs.reduce((sum, each) => sum + each[index], 0) / logs.length
  const [x0, y0] = [mean(0), mean(1)]
  const covariance = logs.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0)
  return covariance / logs.reduce((sum, [x]) => sum + (x - x0) ** 2, 0)
}

async function integration(): Promise<Evidence> {
  const factored = fixed(stride, { summary })
  const pairs = (mask: Pattern): number => maskStatistics(mask, length).pairs
  const [first, second] = [0, 1].map((layer) => pairs(factored.interleaved(layer)))
  const merged = pairs(factored.merged())
  const multi = factored.multiHead()
  return {
    ran: `fixed attention at ${length} tokens in the three ways, as masks`,
    found:
      `one head a layer: ${first} and ${second} pairs in turn; merged: ${merged} in one head; ` +
      `side by side: ${pairs(multi)} in the first head`,
    verdict: 'holds',
    why: 'each of them is a mask that every kernel takes; how well each learns is claim 7',
    figures: [
      {
        caption: 'Fixed attention merged into one head',
        svg: matrixSvg(factored.merged(), length, { title: 'Merged', size: 320 }),
      },
    ],
  }
}

async function contexts({ reports }: LectureContext): Promise<Evidence> {
  const planned = [12160, 2 ** 20].map((tokens) => {
    const started = performance.now()
    const l = tokens === 12160 ? 128 : 1024
    const shape = { batch: 1, heads: 1, queryLength: tokens, keyLength: tokens }
    const { candidates } = planSparsity(strided(l).merged(), shape, {
      queryBlockSize: 64,
      keyBlockSize: 64,
    })
    const fewest = Math.min(...candidates.map(({ tiles }) => tiles))
    return `${tokens} tokens: ${fewest} tiles, planned in ${threeDigits(performance.now() - started)} ms`
  })
  // Only what was measured already: to time a million tokens takes a GPU and a command of its own.
  const timed = reports
    .given('attn-sparse/1')
    .flatMap(({ device, problem, results }) =>
      results.flatMap(({ length: tokens, results: patterns }) =>
        patterns
          .filter(({ name }) => name === 'strided' && tokens >= 12160)
          .map(
            ({ time }) =>
              `${formatLength(tokens)} tokens, ${problem.heads} heads: ${threeDigits(time.median)} ms on ${device.name}`,
          ),
      ),
    )
  return {
    ran: 'strided attention planned on the CPU' + (timed.length > 0 ? ', and timed' : ''),
    found: [...planned, ...timed].join('; '),
    verdict: timed.length > 0 ? 'holds' : 'holds within limits',
    ...(timed.length > 0
      ? {}
      : { why: 'planned here; lengths like these are timed on a GPU only' }),
  }
}

async function bigBirdCost(): Promise<Evidence> {
  const exponent = complexityExponent((tokens) => bigBird({ length: tokens, blockSize: 16 }), {
    lengths: [1024, 2048, 4096],
  })
  return {
    ran: 'Big Bird with blocks of 16 at 1k, 2k and 4k tokens, pairs counted',
    found: `pairs grow as n^${exponent.toFixed(2)}; the parts are window, global and random blocks`,
    verdict: Math.abs(exponent - 1) < 0.1 ? 'holds' : 'does not hold here',
    figures: [
      {
        caption: 'Big Bird, each part in its colour',
        svg: matrixSvg(bigBird({ length: 256, blockSize: 16 }), 256, {
          title: 'Big Bird',
          size: 384,
        }),
      },
    ],
  }
}

/** Claims 2 to 6, 8 and 9. */
export const patternTopic: Topic = {
  name: 'patterns',
  examinations: {
    2: sets,
    3: validity,
    4: panels,
    5: cost,
    6: integration,
    8: contexts,
    9: bigBirdCost,
  },
}
