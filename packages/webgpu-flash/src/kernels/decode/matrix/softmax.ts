// The online softmax of a chunk: scores in workgroup memory become weights there. Neighbouring lanes share a row;
// each finishes vectors of four keys, applies what changes their scores, and keeps a part of the row's sum.
import { indent, unroll } from '../../../codegen/snippets.ts'
import { placeText } from '../decode-places.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { rescaleOutput } from './products.ts'

/** How far a score may be above its row's reference: weights have to be halves. */
const slack = 8

/** Lanes of a row, and vectors of keys that each of them has. */
function spread({ tile }: DecodeMatrixConfig): { readonly lanes: number; readonly each: number } {
  const threads = tile.subgroups * tile.subgroupSize
  const rows = 2 ** Math.ceil(Math.log2(tile.rows))
  const most = 2 ** Math.floor(Math.log2(tile.keys / 4))
  const lanes = Math.max(1, Math.min(threads / rows, most, tile.subgroupSize))
  return { lanes, each: tile.keys / 4 / lanes }
}

/** Which row a thread has, and what is kept of it. */
export function startChunkSoftmax(config: DecodeMatrixConfig): string {
  const { lanes } = spread(config)
  return `// In the softmax, lanes of a row: ${lanes}.
let ownSlot = thread / ${lanes}u;
let ownTile = min(ownSlot, rows - 1u);
let ownLane = thread % ${lanes}u;
let ownRow = min(firstRow + ownTile, groupRows - 1u);
let ownHead = keyHead * params.headsPerKeyHead + ownRow / params.queryLength;
let ownQuery = i32(ownRow % params.queryLength);
var reference = smallestMaximum;
var rowSum = 0.0;`
}

/** Statements for the scores of \`chunk\`, whose first key is \`firstKey\`. */
export function chunkSoftmax(config: DecodeMatrixConfig, careful: boolean): string {
  const { tile, memory, rules, places, dropout } = config
  const { lanes, each } = spread(config)
  const placed = placeText(places, tile.keys)
  const ownVectors = tile.keys / tile.subgroups / 4
  const at = (v: number): string => {
    const vector = `vector${v}`
    return `scores[${vector} / ${ownVectors}u][ownTile * ${memory.scoreStride}u + ${vector} % ${ownVectors}u]`
  }
  const eachVector = (line: (v: number) => string): string => unroll(each, line)
  const plain = !rules.hasMask && (rules.pairwise ?? []).length === 0 && places?.kind !== 'ring'
  const finish = (v: number): string => {
    const first = `firstKey + 4u * vector${v}`
    if (plain)
      return `score${v} = select(vec4<f32>(hidden), score${v}, vec4<u32>(${first}) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(keyCount));`
    return `for (var i = 0u; i < 4u; i++) {
  let place = ${first} + i;
  let key = ${places?.kind === 'ring' ? placed.position('place') : 'place'};
  var score = score${v}[i];
${(rules.pairwise ?? []).map((name) => `  score = ${name}(score, i32(batch), i32(ownHead), queryOffset + ownQuery, ownQuery, i32(key));\n`).join('')}  if (!(key < keyCount${placed.held('place', 'key', 'queryOffset + ownQuery')}${rules.hasMask ? ' && visible(i32(batch), i32(ownHead), queryOffset + ownQuery, ownQuery, i32(key))' : ''})) { score = hidden; }
  score${v}[i] = score;
}`
  }
  const best = Array.from({ length: each }, (_, v) => `score${v}`).reduce(
    (a, b) => `max(${a}, ${b})`,
  )
  const kept = (v: number): string => {
    const keys = [0, 1, 2, 3].map((i) => {
      const place = `(firstKey + 4u * vector${v} + ${i}u)`
      return places?.kind === 'ring' ? placed.position(place) : place
    })
    return `weight${v} *= dropoutWeights(batch * params.heads + ownHead, vec4<u32>(u32(queryOffset + ownQuery)), vec4<u32>(${keys.join(', ')}));`
  }
  const shuffles = Array.from(
    { length: Math.log2(lanes) },
    (_, i) => `top = max(top, subgroupShuffleXor(top, ${2 ** i}u));`,
  )
  const stored = eachVector((v) =>
    careful
      ? `${at(v)} = weight${v};`
      : `weights[ownTile * ${memory.weightStride}u + vector${v}] = vec4<f16>(weight${v});`,
  )
  const scores = [
    eachVector(
      (v) => `let vector${v} = ownLane + ${v * lanes}u;
var score${v} = ${at(v)} * scale;
${finish(v)}`,
    ),
    `let bests = ${best};
var top = max(max(bests.x, bests.y), max(bests.z, bests.w));`,
  ]
  const raise = [
    ...shuffles,
    `let raised = top > reference + ${slack}.0;
let next = select(reference, top, raised);
let decay = select(1.0, exp(reference - next), raised);
rowSum *= decay;
reference = next;
if (ownSlot < rows && ownLane == 0u) { rowNumbers[ownTile] = decay; }`,
  ]
  const weights = (word: string): string => `${eachVector(
    (v) =>
      `${word}weight${v} = pairWeights(score${v}, vec4<f32>(reference));${dropout ? `\n${word}undropped${v} = weight${v};` : ''}`,
  )}
${dropout ? eachVector(kept) : ''}
if (ownSlot < rows) {
${indent(stored, 2)}
}`
  const sum = eachVector(
    (v) => `rowSum += dot(${dropout ? 'undropped' : 'weight'}${v}, vec4<f32>(1.0));`,
  )
  if (careful) {
    return `{\n${indent([...scores, ...raise, weights('var '), sum].join('\n'), 2)}\n}`
  }
  // Rows are hardly ever raised, so weights are taken before that is known.
  return `{
${indent(scores.join('\n'), 2)}
  if (ownSlot < rows && top > reference + ${slack}.0) { found.x = 1u; }
${indent(weights('var '), 2)}
  if (workgroupUniformLoad(&found).x != 0u) {
${indent([...raise, weights('')].join('\n'), 4)}
    workgroupBarrier();
    if (thread == 0u) { found.x = 0u; }
    if (chunk > firstChunk) {
${indent(rescaleOutput(config), 6)}
    }
  }
${indent(sum, 2)}
}`
}

/** Adds up the lanes' sums of a row. */
export function wholeRowSums(config: DecodeMatrixConfig): string {
  const { lanes } = spread(config)
  return `${Array.from({ length: Math.log2(lanes) }, (_, i) => `rowSum += subgroupShuffleXor(rowSum, ${2 ** i}u);`).join('\n')}
if (ownLane == 0u && ownSlot < rows) {
  rowNumbers[rows + ownTile] = reference;
  rowNumbers[2u * rows + ownTile] = rowSum;
}`
}
