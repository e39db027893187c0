// From the products of the threads that share a key to the weights of its values, in every one of these
// threads. Each thread adds up one of their scores and applies what changes it, so nothing is done twice:
// through workgroup memory, or by shuffles where a subgroup holds all of them. The softmax is online.
import { indent, unroll } from '../../codegen/snippets.ts'
import { chunkKeys } from '../../plan/decode/decode-tile.ts'
import type { DecodeConfig } from './decode-config.ts'
import { placeText } from './decode-places.ts'

/**
 * Statements before the loop over keys, for each chunk, and after it. From `product{n}` come `weight{n}`
 * and `decay{row}`, by which outputs so far are to be multiplied; in the end `maximum{row}` and
 * `sum{row}`. Pairs are numbered `key * rows + row`.
 */
export interface LaneSums {
  readonly before: string
  /** Where the softmax begins. */
  readonly start: string
  readonly each: string
  readonly after: string
}

/** Scores that a thread finishes. */
const ownScores = ({ tile: { rows, keysAhead, lanes } }: DecodeConfig): number =>
  Math.ceil((rows * keysAhead) / lanes)

/** WGSL of the sums. */
export function laneSums(config: DecodeConfig): LaneSums {
  return config.tile.shuffles ? byShuffles(config) : throughMemory(config)
}

/** What a thread has to know of each of its scores: numbers that do not change between chunks. */
function declareScores(config: DecodeConfig, number: (j: number) => string): string {
  return unroll(
    ownScores(config),
    (j) => `let number${j} = ${number(j)};
let ownRow${j} = min(firstRow + number${j} % rows, groupRows - 1u);
let ownHead${j} = keyHead * params.headsPerKeyHead + ownRow${j} / params.queryLength;
let ownQuery${j} = i32(ownRow${j} % params.queryLength);`,
  )
}

/** Statements that make a score of the sum `total`. */
function finishScore({ rules, dropout, places, tile }: DecodeConfig, j: number): string {
  const placed = placeText(places, chunkKeys(tile))
  const number = `firstKey + number${j} / rows * slots`
  const held = placed.held(`ownPlace${j}`, `ownKey${j}`, `queryOffset + ownQuery${j}`)
  const place = `i32(batch), i32(ownHead${j}), queryOffset + ownQuery${j}, ownQuery${j}, i32(ownKey${j})`
  const visible = rules.hasMask ? ` && visible(${place})` : ''
  return [
    ...(places?.kind === 'ring'
      ? [`let ownPlace${j} = ${number};`, `let ownKey${j} = ${placed.position(`ownPlace${j}`)};`]
      : [`let ownKey${j} = ${number};`]),
    `var score${j} = total${j} * scale;`,
    ...(rules.pairwise ?? []).map((name) => `score${j} = ${name}(score${j}, ${place});`),
    `if (!(ownKey${j} < keyCount${held}${visible})) { score${j} = hidden; }`,
    ...(dropout
      ? [
          `let kept${j} = dropoutWeights(batch * params.heads + ownHead${j}, vec4<u32>(u32(queryOffset + ownQuery${j})), vec4<u32>(ownKey${j})).x;`,
        ]
      : []),
  ].join('\n')
}

function throughMemory(config: DecodeConfig): LaneSums {
  const { tile, dropout } = config
  const count = tile.rows * tile.keysAhead
  const own = ownScores(config)
  const vector = (i: number): string =>
    `vec4<f32>(${[0, 1, 2, 3].map((k) => `product${4 * i + k}`).join(', ')})`
  const guard = (j: number, text: string): string =>
    (j + 1) * tile.lanes > count ? `if (number${j} < scores) {\n${indent(text, 2)}\n}` : text
  return {
    before: declareScores(config, (j) => `lane + ${j * tile.lanes}u`),
    start: startSoftmax(config),
    after: '',
    each: `${unroll(count / 4, (i) => `tile[thread * stride + ${i}u] = ${vector(i)};`)}
workgroupBarrier();
${unroll(own, (j) =>
  guard(
    j,
    `var total${j} = 0.0;
for (var other = 0u; other < lanes; other++) {
  total${j} += tile[(slot * lanes + other) * stride + number${j} / 4u][number${j} % 4u];
}
${finishScore(config, j)}
scalars[slot * scores + number${j}] = score${j};${dropout ? `\nscalars[(slots + slot) * scores + number${j}] = kept${j};` : ''}`,
  )
    .replace(/^/, '{\n')
    .replace(/$/, '\n}'),
)}
workgroupBarrier();
${unroll(count, (n) => `let score${n} = scalars[slot * scores + ${n}u];`)}${
      dropout
        ? `\n${unroll(count, (n) => `let kept${n} = scalars[(slots + slot) * scores + ${n}u];`)}`
        : ''
    }
${softmax(config)}`,
  }
}

/** The softmax in every thread, of all scores. */
function softmax({ tile, dropout }: DecodeConfig): string {
  const { rows, keysAhead } = tile
  return unroll(rows, (r) => {
    const numbers = Array.from({ length: keysAhead }, (_, u) => u * rows + r)
    const largest = numbers.map((n) => `score${n}`).reduce((a, b) => `max(${a}, ${b})`)
    const kept = (n: number): string => (dropout ? ` * kept${n}` : '')
    return `let top${r} = max(maximum${r}, ${largest});
let decay${r} = exp(maximum${r} - top${r});
maximum${r} = top${r};
let reference${r} = top${r} + shift;
${numbers.map((n) => `let share${n} = pairWeight(score${n}, reference${r});\nlet weight${n} = share${n}${kept(n)};`).join('\n')}
sum${r} = sum${r} * decay${r} + ${numbers.map((n) => `share${n}`).join(' + ')};`
  })
}

const startSoftmax = ({ tile }: DecodeConfig): string =>
  unroll(tile.rows, (r) => `var maximum${r} = smallestMaximum;\nvar sum${r} = 0.0;`)

/**
 * Halving: a thread and the one `distance` away each keep half of the scores they both have a part
 * of, and give the other half away, until each has summed its own.
 */
function byShuffles(config: DecodeConfig): LaneSums {
  const { tile, dropout } = config
  const { lanes } = tile
  const count = tile.rows * tile.keysAhead
  const steps: string[] = []
  let names = Array.from({ length: count }, (_, n) => `product${n}`)
  let step = 0
  for (let distance = lanes / 2; distance >= 1; distance /= 2, step++) {
    if (names.length === 1) {
      steps.push(
        `let shared${step}_0 = ${names[0]!} + subgroupShuffleXor(${names[0]!}, ${distance}u);`,
      )
      names = [`shared${step}_0`]
      continue
    }
    const half = names.length / 2
    const upper = `(lane & ${distance}u) != 0u`
    steps.push(
      unroll(half, (i) => {
        const [low, high] = [names[i]!, names[i + half]!]
        return `let shared${step}_${i} = select(${low}, ${high}, ${upper}) + subgroupShuffleXor(select(${high}, ${low}, ${upper}), ${distance}u);`
      }),
    )
    names = Array.from({ length: half }, (_, i) => `shared${step}_${i}`)
  }
  const own = names.length
  const spread = Math.max(1, lanes / count)
  const numbers = declareScores(config, (j) =>
    own > 1 ? `lane * ${own}u + ${j}u` : `lane / ${spread}u`,
  )
  const before = `${numbers}\nlet firstLane = invocation - lane;`
  const finish = unroll(
    own,
    (j) => `var own${j}: f32;${dropout ? `\nvar ownKept${j}: f32;` : ''}
{
  let total${j} = ${names[j]!};
${indent(finishScore(config, j), 2)}
  own${j} = score${j};${dropout ? `\n  ownKept${j} = kept${j};` : ''}
}`,
  )
  if (own > 1) {
    const take = (name: string, n: number): string =>
      `subgroupShuffle(${name}${n % own}, firstLane + ${Math.floor(n / own)}u)`
    const taken = unroll(
      count,
      (n) =>
        `let score${n} = ${take('own', n)};${dropout ? `\nlet kept${n} = ${take('ownKept', n)};` : ''}`,
    )
    return {
      before,
      start: startSoftmax(config),
      each: `${steps.join('\n')}\n${finish}\n${taken}\n${softmax(config)}`,
      after: '',
    }
  }
  return {
    before,
    start: 'var ownMaximum = smallestMaximum;\nvar ownSum = 0.0;',
    each: `${steps.join('\n')}
${finish}
${ownSoftmax(config, spread)}`,
    after: `${acrossKeys(config, spread, (distance) => `ownSum += subgroupShuffleXor(ownSum, ${distance}u);`)}
${unroll(
  tile.rows,
  (r) => `let maximum${r} = subgroupShuffle(ownMaximum, firstLane + ${r * spread}u);
let sum${r} = subgroupShuffle(ownSum, firstLane + ${r * spread}u);`,
)}`,
  }
}

/** A line for each step over the threads that have the same row and other keys. */
function acrossKeys(
  { tile: { rows, keysAhead } }: DecodeConfig,
  spread: number,
  line: (distance: number) => string,
): string {
  return unroll(Math.log2(keysAhead), (step) => line(spread * rows * 2 ** step))
}

/** The softmax where each thread has one score: of its own row, before weights are handed around. */
function ownSoftmax(config: DecodeConfig, spread: number): string {
  const { tile, dropout } = config
  return `var best = own0;
${acrossKeys(config, spread, (distance) => `best = max(best, subgroupShuffleXor(best, ${distance}u));`)}
let ownTop = max(ownMaximum, best);
let ownDecay = exp(ownMaximum - ownTop);
let ownShare = pairWeight(own0, ownTop + shift);
ownMaximum = ownTop;
ownSum = ownSum * ownDecay + ownShare;
let ownWeight = ownShare${dropout ? ' * ownKept0' : ''};
${unroll(tile.rows * tile.keysAhead, (n) => `let weight${n} = subgroupShuffle(ownWeight, firstLane + ${n * spread}u);`)}
${unroll(tile.rows, (r) => `let decay${r} = subgroupShuffle(ownDecay, firstLane + ${r * spread}u);`)}`
}
