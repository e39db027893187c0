// The cases of the forward pass that are about masks and score modifiers: every kind of expression
// node, coordinate and table at least once.
import {
  biasFromTensor,
  booleanTable,
  floatParameter,
  floatTable,
  integerParameter,
  integerTable,
  mask,
  maskFromTensor,
  relation,
  scoreModifier,
  softcap,
} from '../../src/index.ts'
import type { BroadcastShape, ScoreModifier } from '../../src/index.ts'
import { conformanceCase } from './cases.ts'
import type { ConformanceCase } from './cases.ts'
import { randomNumbers } from './fill.ts'
import {
  alibi,
  causal,
  causalDocuments,
  fixed,
  prefixLm,
  slidingWindow,
  strided,
  t5Bias,
} from './patterns.ts'

/** Every case about masks and score modifiers. */
export function optionCases(): ConformanceCase[] {
  return [...maskCases(), ...tensorCases(), ...modifierCases()]
}

const seventy = { queryLength: 70, heads: 3 }

/** Their numbers are those of the golden cases where it may be: so both have one kernel. */
function maskCases(): ConformanceCase[] {
  const windows = integerTable('windows', [0, 5, 40])
  const visibleHeads = booleanTable('visibleHeads', [true, false, true])
  const randomKeys = relation(
    'randomKeys',
    Array.from({ length: 70 }, (_, row) =>
      randomNumbers(row + 1, 5).map((value) => Math.floor((value + 1) * 35)),
    ),
  )
  const left = integerParameter('left', { minimum: 0, maximum: 100 })
  return [
    conformanceCase('mask: sliding window', seventy, { mask: slidingWindow(9, 3) }),
    conformanceCase('mask: strided', seventy, { mask: strided(4) }),
    conformanceCase('mask: fixed', seventy, { mask: fixed(4, 2) }),
    conformanceCase('mask: documents', seventy, {
      mask: causalDocuments(Array.from({ length: 70 }, (_, i) => Math.floor((i * 3) / 70))),
    }),
    conformanceCase('mask: prefix', seventy, { mask: prefixLm(7) }),
    conformanceCase('mask: a window for each head', seventy, {
      mask: mask('headWindows', ({ head, query, key }) =>
        query.sub(key).abs().le(windows.at(head)),
      ),
    }),
    conformanceCase('mask: heads that see nothing', seventy, {
      mask: mask('someHeads', ({ head }) => visibleHeads.at(head)),
    }),
    conformanceCase(
      'mask: one for each sequence',
      { batch: 3, queryLength: 33 },
      { mask: mask('byBatch', ({ batch, query, key }) => query.sub(key).mod(batch.add(2)).eq(1)) },
    ),
    conformanceCase('mask: random keys from a relation', seventy, {
      mask: mask('random', ({ query, key }) => randomKeys.contains(query, key).or(key.eq(query))),
    }),
    conformanceCase(
      'mask: negative positions in floorDiv and mod',
      { queryLength: 40, keyLength: 60 },
      {
        queryOffset: -20,
        mask: mask('blocks', ({ query, key }) =>
          query.floorDiv(7).add(3).ne(key.floorDiv(9)).and(query.sub(key).mod(5).lt(3)),
        ),
      },
    ),
    conformanceCase('mask: xor, not, select, min, max, neg', seventy, {
      mask: mask('mixture', ({ query, key, head }) => {
        const near = query.min(key).gt(query.max(key).add(query.sub(9).neg()).sub(query))
        const limit = head.eq(1).select(key.mul(2), key.add(10))
        return near.xor(limit.ge(query)).or(key.gt(60).not().and(query.lt(3)))
      }),
    }),
    conformanceCase(
      'mask: queryLength, keyLength, heads and queryIndex',
      { queryLength: 30, keyLength: 50, heads: 4, kvHeads: 2 },
      {
        mask: mask('sizes', ({ queryIndex, key, head, queryLength, keyLength, heads }) =>
          queryIndex.mul(keyLength).ge(key.mul(queryLength)).or(head.add(1).eq(heads)),
        ),
      },
    ),
    conformanceCase('mask: an integer parameter', seventy, {
      mask: mask('parameterWindow', ({ query, key }) => key.le(query).and(key.ge(query.sub(left)))),
      parameters: { left: 17 },
    }),
  ]
}

const broadcasts: readonly BroadcastShape[] = [
  [2, 2, 37, 41],
  [1, 2, 37, 41],
  [2, 1, 1, 41],
  [2, 1, 37, 1],
  [1, 1, 37, 41],
  [1, 1, 1, 1],
]

/** Masks and biases as tensors; rows of the tensor are rows of the query, whatever its offset. */
function tensorCases(): ConformanceCase[] {
  const sizes = { batch: 2, heads: 2, queryLength: 37, keyLength: 41 }
  return broadcasts.flatMap((shape) => {
    const count = shape.reduce((product, size) => product * size, 1)
    const values = randomNumbers(shape[0] + 2 * shape[2], count)
    const visible = Array.from(values, (value) => value > -0.3)
    const hiding = Float32Array.from(values, (value) => (value > 0.6 ? -Infinity : 3 * value))
    return [
      conformanceCase(`mask tensor [${shape.join(', ')}]`, sizes, {
        mask: maskFromTensor(visible, shape),
        queryOffset: 3,
      }),
      conformanceCase(`bias tensor [${shape.join(', ')}] with -Infinity`, sizes, {
        mask: causal,
        scoreModifiers: [biasFromTensor(hiding, shape)],
      }),
    ]
  })
}

function modifierCases(): ConformanceCase[] {
  const temperature = floatParameter('temperature', { minimum: 0.1, maximum: 10 })
  const bias = floatTable('headBias', [0.5, -0.25, 1])
  const { modifier: t5 } = t5Bias(Float32Array.from(randomNumbers(5, 48)), 3, {
    numBuckets: 16,
    maxDistance: 20,
    bidirectional: true,
  })
  return [
    conformanceCase('score: softcap', seventy, { mask: causal, scoreModifiers: [softcap(2)] }),
    conformanceCase('score: ALiBi', seventy, {
      mask: causal,
      scoreModifiers: [alibi([0.25, 0.0625, 0.015625])],
    }),
    conformanceCase('score: T5 bias', seventy, { scoreModifiers: [t5] }),
    conformanceCase('score: softcap, then ALiBi', seventy, {
      mask: slidingWindow(20, 0),
      scoreModifiers: [softcap(3), alibi([0.5, 0.25, 0.125])],
    }),
    conformanceCase('score: ALiBi, then softcap', seventy, {
      mask: slidingWindow(20, 0),
      scoreModifiers: [alibi([0.5, 0.25, 0.125]), softcap(3)],
    }),
    conformanceCase('score: a float parameter', seventy, {
      scoreModifiers: [scoreModifier('temperature', (score) => score.div(temperature))],
      parameters: { temperature: 2.5 },
    }),
    conformanceCase('score: hidden by -Infinity', seventy, {
      scoreModifiers: [
        scoreModifier('hide', (score, { query, key }) =>
          key.sub(query).mod(3).eq(0).select(score, -Infinity),
        ),
      ],
    }),
    conformanceCase('score: whole rows hidden by -Infinity', seventy, {
      scoreModifiers: [
        scoreModifier('hideRows', (score, { query }) => query.lt(9).select(-Infinity, score)),
      ],
    }),
    conformanceCase('score: replaced by the distance', seventy, {
      scoreModifiers: [
        scoreModifier('distance', (_, { query, key }) =>
          query.sub(key).abs().toFloat().sqrt().neg(),
        ),
      ],
    }),
    conformanceCase('score: every float operation', seventy, {
      scoreModifiers: [
        everyOperation(),
        scoreModifier('bias', (score, { head }) => score.add(bias.at(head))),
      ],
    }),
  ]
}

/** Smooth where the scores are, and small, so that float32 follows it. */
function everyOperation(): ScoreModifier {
  return scoreModifier('everyOperation', (score, { query, key }) => {
    const distance = query.sub(key).abs().toFloat().add(1)
    const waves = distance.mul(0.1).sin().add(distance.mul(0.2).cos()).mul(0.01)
    const decay = distance.log().neg().add(distance.pow(0.5).mul(0.1)).max(-3)
    const soft = score.mul(0.25).exp().add(1).log().min(20)
    const steps = score.floor().toFloat().mul(0).add(score.abs().sqrt().mul(0.1))
    return soft.mul(2).add(decay).sub(waves).add(steps).add(score.div(4).tanh())
  })
}
