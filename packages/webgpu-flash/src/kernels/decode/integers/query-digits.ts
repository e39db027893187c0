// Queries as whole numbers: a row's largest element is 127 * 65,536, and each element three signed digits to the base 256,
// four dims of a digit in a word, as the codes of a key lie. The four rows are the numbers of a vector, so one load brings a
// digit of all. Two digits would leave scores twice as far off as sums in float32 may be; of the sums of the third the upper
// bits are enough.
import { unroll } from '../../../codegen/snippets.ts'
import { blockSizes, byteDim } from '../block-words.ts'
import type { DecodeIntegersConfig } from './config.ts'

/** Digits of an element. */
export const queryDigits = 3

const largestNumber = 127 * 256 ** (queryDigits - 1)

/** Where the digits of the word `n` of a block lie, of four bits those of the lower or of the upper ones. */
export function digitPlace(
  { types: { key } }: DecodeIntegersConfig,
  block: number,
  n: number,
  upper: 0 | 1,
): number {
  const { words, inByte } = blockSizes[key]
  return queryDigits * ((block * words + n) * inByte + upper)
}

/** Statements that make them, and `queryUnits`; they note that a query is not finite. */
export function stageQueries({ types: { key }, headDim }: DecodeIntegersConfig): string {
  const { words, inByte } = blockSizes[key]
  const places = (headDim / 32) * words * inByte
  const vectors = headDim / 32
  // Sums are those of the first digits, and codes of four bits are multiplied as 16 times what they are.
  const unit = 256 / largestNumber / (inByte === 2 ? 16 : 1)
  return `{
  // Eight threads have a row.
  let row = min(firstRow + lane / 8u, groupRows - 1u);
  let queryBase = ${queryBase('row')};
${unroll(vectors, (i) => `  let elements${i} = loadQuery(queryBase, lane % 8u * ${vectors}u + ${i}u);`)}
  var largest = 0.0;
${unroll(
  vectors,
  (i) => `  if (!allFinite(elements${i})) { notFinite = 0x80008000u; }
  largest = max(largest, max(max(abs(elements${i}.x), abs(elements${i}.y)), max(abs(elements${i}.z), abs(elements${i}.w))));`,
)}
  tile[lane].x = bitcast<u32>(largest);
  workgroupBarrier();
  for (var i = 0u; i < 8u; i++) { largest = max(largest, bitcast<f32>(tile[lane / 8u * 8u + i].x)); }
  workgroupBarrier();
  let inverse = select(0.0, ${largestNumber}.0 / largest, largest > 0.0);
${unroll(
  vectors,
  (i) => `  {
    let numbers = bitcast<vec4<u32>>(vec4<i32>(round(elements${i} * inverse)));
    let at = lane * ${2 * vectors}u + ${2 * i}u;
    tile[at] = numbers.xy;
    tile[at + 1u] = numbers.zw;
  }`,
)}
  if (lane % 8u == 0u) { weights[0][lane / 8u] = bitcast<u32>(largest * scale * ${unit}); }
}
workgroupBarrier();
let queryUnits = bitcast<vec4<f32>>(weights[0]);
for (var unit = lane; unit < ${4 * places}u; unit += 32u) {
  let row = unit % rows;
  let place = unit / rows;
  let word = place${inByte === 2 ? ' / 2u' : ''};
  let block = word / ${words}u;
  let begin = 32u * block${inByte === 2 ? ' + place % 2u * 16u' : ''};
  var bytes = array<u32, ${queryDigits}>();
  for (var i = 0u; i < 4u; i++) {
    let dim = begin + ${byteDim(key, `(word % ${words}u)`, 'i', 'block % 2u == 0u')};
    var number = bitcast<i32>(tile[row * ${headDim / 2}u + dim / 2u][dim % 2u]);
    for (var digit = ${queryDigits}u; digit > 0u; digit--) {
      bytes[digit - 1u] |= (bitcast<u32>(number) & 255u) << (8u * i);
      number = (number + 128) >> 8u; // what is left once the digit, which is signed, is taken away
    }
  }
  for (var digit = 0u; digit < ${queryDigits}u; digit++) { digits[${queryDigits}u * place + digit][row] = bytes[digit]; }
}
workgroupBarrier();`
}

/** Where the query of a row begins. */
export const queryBase = (row: string): string =>
  `params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + ${row} / params.queryLength) * params.queryHead + (${row} % params.queryLength) * params.queryRow`
