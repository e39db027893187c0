// The cases of the backward pass, of dropout and of attention sinks.
import {
  biasFromTensor,
  floatParameter,
  mask,
  maskFromTensor,
  scoreModifier,
  softcap,
} from '../../src/index.ts'
import { conformanceCase, layout, offset, sliced, transposed } from './cases.ts'
import type { ConformanceCase } from './cases.ts'
import { randomNumbers } from './fill.ts'
import { notFiniteGradientCases } from './not-finite-cases.ts'
import {
  alibi,
  causal,
  causalDocuments,
  distantPast,
  slidingWindow,
  strided,
  t5Bias,
} from './patterns.ts'

const sixty = { queryLength: 60, heads: 3 }

/** Every case of the backward pass. */
export function backwardCases(): readonly ConformanceCase[] {
  made ??= [...shapeCases(), ...maskAndScoreCases(), ...notFiniteGradientCases(), ...float16Cases()]
  return made
}

/** Made once, so that what is expected of each is worked out once (see backward-problems.ts). */
let made: readonly ConformanceCase[] | undefined

function shapeCases(): ConformanceCase[] {
  const options = { mask: causal }
  const mixed = { batch: 2, heads: 4, kvHeads: 2, queryLength: 21, keyLength: 34, valueDim: 12 }
  const three = { batch: 3, queryLength: 20, keyLength: 50 }
  return [
    conformanceCase('one query, one key', { queryLength: 1, headDim: 1 }),
    conformanceCase('one query, 129 keys', { queryLength: 1, keyLength: 129, headDim: 64 }),
    conformanceCase('64 x 64, width 64, causal', { queryLength: 64, headDim: 64 }, options),
    conformanceCase('65 x 65, width 80', { queryLength: 65, headDim: 80, heads: 1 }),
    conformanceCase('127 x 129, width 20, causal', sizes(127, 129, 20), options),
    conformanceCase('129 x 63, width 4, causal', sizes(129, 63, 4), options),
    conformanceCase('33 x 17, widths 256 and 128', { ...sizes(33, 17, 256), valueDim: 128 }),
    conformanceCase('widths 20 and 64', { headDim: 20, valueDim: 64 }, options),
    conformanceCase('grouped heads', { ...mixed, heads: 6, kvHeads: 2 }, options),
    conformanceCase('one key head', { heads: 5, kvHeads: 1 }),
    conformanceCase('[batch, length, heads, dim] in memory', mixed, options, layout(transposed)),
    conformanceCase('views that begin at an odd element', mixed, options, layout(offset)),
    conformanceCase('slices along every axis', mixed, options, layout(sliced)),
    ...fewQueryCases(),
    conformanceCase('padded keys', three, { ...options, keyLengths: [50, 0, 23] }),
    conformanceCase('offsets for each sequence', three, { ...options, queryOffset: [0, 30, -5] }),
  ]
}

/**
 * Few queries may go forward through a kernel of their own, which plans nothing for tiles: the backward
 * pass must know the mask all the same. Sizes and widths at which its tiles are whole.
 */
function fewQueryCases(): ConformanceCase[] {
  const few = (queryLength: number, keyLength: number, headDim: number) => ({
    heads: 2,
    queryLength,
    keyLength,
    headDim,
  })
  const blocks = mask('blocks', ({ query, key }) => query.floorDiv(4).eq(key.floorDiv(4)))
  return [
    conformanceCase('16 x 16, width 96, causal', few(16, 16, 96), { mask: causal }),
    conformanceCase('16 x 16, width 128, causal', few(16, 16, 128), { mask: causal }),
    conformanceCase('16 x 64, width 256, a window', few(16, 64, 256), {
      mask: slidingWindow(9, 3),
    }),
    conformanceCase('16 x 32, width 128, blocks', few(16, 32, 128), {
      mask: blocks,
      queryOffset: 0,
    }),
    conformanceCase(
      '16 x 64, width 128, padded keys',
      { ...few(16, 64, 128), batch: 2 },
      { keyLengths: [64, 30] },
    ),
    conformanceCase('3 x 64, width 64, strided', few(3, 64, 64), { mask: strided(8) }),
  ]
}

const sizes = (
  queryLength: number,
  keyLength: number,
  headDim: number,
): { heads: number; queryLength: number; keyLength: number; headDim: number } => ({
  heads: 1,
  queryLength,
  keyLength,
  headDim,
})

function maskAndScoreCases(): ConformanceCase[] {
  const visible = Array.from(randomNumbers(3, 2 * 33 * 33), (value) => value > -0.2)
  const bias = randomNumbers(4, 33 * 33).map((value) => (value > 0.6 ? -Infinity : 2 * value))
  const temperature = floatParameter('temperature', { minimum: 0.1, maximum: 10 })
  const t5 = (seed: number, bidirectional: boolean) =>
    t5Bias(Float32Array.from(randomNumbers(seed, 48)), 3, {
      numBuckets: 16,
      maxDistance: 20,
      bidirectional,
    }).modifier
  return [
    conformanceCase('mask: sliding window', sixty, { mask: slidingWindow(9, 3) }),
    conformanceCase('mask: strided', sixty, { mask: strided(4) }),
    conformanceCase('mask: documents', sixty, {
      mask: causalDocuments(Array.from({ length: 60 }, (_, i) => Math.floor(i / 17))),
    }),
    conformanceCase('mask: one for each head', sixty, {
      mask: mask('headStride', ({ head, query, key }) =>
        query.sub(key).mod(head.add(2)).eq(0).and(key.le(query)),
      ),
    }),
    conformanceCase('mask tensor', {}, { mask: maskFromTensor(visible, [1, 2, 33, 33]) }),
    conformanceCase('rows that see nothing', {}, { mask: distantPast }),
    conformanceCase(
      'bias tensor with -Infinity',
      {},
      {
        scoreModifiers: [biasFromTensor(bias, [1, 1, 33, 33])],
      },
    ),
    conformanceCase('score: softcap', sixty, { mask: causal, scoreModifiers: [softcap(2)] }),
    conformanceCase('score: ALiBi', sixty, {
      mask: causal,
      scoreModifiers: [alibi([0.5, 0.25, 0.125])],
    }),
    conformanceCase('score: trainable T5 bias', sixty, { scoreModifiers: [t5(5, true)] }),
    conformanceCase('score: two trainable tables around a softcap', sixty, {
      mask: causal,
      scoreModifiers: [t5(6, false), softcap(3), t5(7, false)],
    }),
    conformanceCase('score: a parameter', sixty, {
      scoreModifiers: [scoreModifier('temperature', (score) => score.div(temperature))],
      parameters: { temperature: 1.5 },
    }),
    conformanceCase('score: root of the distance where there is one', sixty, {
      // Its slope at distance 0 is infinite, but no gradient goes there.
      scoreModifiers: [
        scoreModifier('root', (score, { query, key }) =>
          score.add(query.sub(key).abs().toFloat().sqrt().mul(-0.5)),
        ),
      ],
    }),
  ]
}

function float16Cases(): ConformanceCase[] {
  const half = { dtype: 'float16' } as const
  return [
    conformanceCase('float16', { queryLength: 65 }, {}, half),
    conformanceCase(
      'bfloat16, causal',
      { queryLength: 65 },
      { mask: causal },
      { dtype: 'bfloat16' },
    ),
    conformanceCase('bfloat16, odd widths', { headDim: 9, valueDim: 7 }, {}, { dtype: 'bfloat16' }),
    conformanceCase(
      'float16, causal, grouped heads',
      { heads: 4, kvHeads: 2, headDim: 64 },
      { mask: causal },
      half,
    ),
    conformanceCase(
      'float16, softcap, [batch, length, heads, dim] in memory',
      { batch: 2, queryLength: 31, headDim: 20, valueDim: 12 },
      { mask: slidingWindow(9, 3), scoreModifiers: [softcap(5)] },
      { ...half, ...layout(transposed) },
    ),
  ]
}

/** Calls that drop probabilities. Every backend must drop the same ones. */
export function dropoutCases(): ConformanceCase[] {
  const dropout = { rate: 0.25, seed: 42 }
  return [
    conformanceCase('a quarter dropped', sixty, { dropout }),
    conformanceCase('almost all dropped', sixty, { dropout: { rate: 0.95, seed: 7 } }),
    conformanceCase('rate 0', sixty, { dropout: { rate: 0, seed: 1 } }),
    conformanceCase('a seed of 64 bits', sixty, {
      mask: causal,
      dropout: { rate: 0.5, seed: 0xfedc_ba98_7654_3210n },
    }),
    conformanceCase(
      'grouped heads, batch, offsets',
      { batch: 2, heads: 4, kvHeads: 2, queryLength: 33, keyLength: 65 },
      { mask: causal, queryOffset: [-3, 40], keyLengths: [65, 50], dropout },
    ),
    conformanceCase('with a score modifier', sixty, { scoreModifiers: [softcap(2)], dropout }),
    conformanceCase('rows that see nothing', {}, { mask: distantPast, dropout }),
    conformanceCase('float16', {}, { mask: causal, dropout }, { dtype: 'float16' }),
  ]
}

/** Calls with attention sinks. */
export function sinkCases(): ConformanceCase[] {
  const sinks = [0.5, -1, 3]
  return [
    conformanceCase('a sink for each head', sixty, { sinks }),
    conformanceCase('as a tensor would hold them', sixty, { sinks: Float32Array.from(sinks) }),
    conformanceCase('a sink of 0 and none', { heads: 2 }, { sinks: [0, -Infinity] }),
    conformanceCase('rows that see only the sink', sixty, { mask: distantPast, sinks }),
    conformanceCase('sinks far above and below', sixty, { sinks: [10_000, -10_000, 100] }),
    conformanceCase(
      'grouped heads, causal window, softcap',
      { heads: 6, kvHeads: 2, queryLength: 33, keyLength: 65 },
      {
        mask: slidingWindow(9, 0),
        scoreModifiers: [softcap(4)],
        sinks: [0, 1, 2, -1, -2, 0.5],
      },
    ),
    conformanceCase(
      'padded keys',
      { batch: 2, keyLength: 40 },
      {
        keyLengths: [40, 0],
        sinks: [1, 2],
      },
    ),
    conformanceCase('float16', { heads: 3 }, { mask: causal, sinks }, { dtype: 'float16' }),
  ]
}
