// Scores of a chunk: each thread multiplies the codes of its key with the digits of four rows. Sums of a block are exact;
// only they are scaled.
import { indent, unroll } from '../../../codegen/snippets.ts'
import {
  blockSizes,
  bothScales,
  broughtTogether,
  elementWord,
  middleWord,
  noteScales,
  pairWord,
  rowWords,
} from '../block-words.ts'
import type { DecodeIntegersConfig } from './config.ts'
import { digitPlace, queryDigits } from './query-digits.ts'

/** The numbers of a vector. */
const eachRow = (line: (row: string) => string): string => ['x', 'y', 'z', 'w'].map(line).join('\n')

/** A word of codes of four bits as two of eight: 16 times what they stand for. */
export const nibbles = (word: string, upper: 0 | 1): string =>
  `(${upper === 0 ? `(${word} << 4u)` : word} & 0xf0f0f0f0u) ^ 0x80808080u`

/** Statements that declare `scores`. */
export function keyProducts(config: DecodeIntegersConfig): string {
  const {
    types: { key },
    headDim,
  } = config
  if (!config.tile.unrolled) return rolledProducts(config)
  const words = rowWords(key, headDim)
  const pairs = unroll(headDim / 64, (pair) => {
    const [first, middle] = [`word${pairWord(key, pair)}`, `word${middleWord(key, pair)}`]
    return `{
  let pairScales = ${bothScales(middle, first)};
  let together = ${broughtTogether(middle, first)};
  let scales = unpack2x16float(pairScales);
  ${noteScales('select(0u, pairScales, exists)')}
${indent(blockProducts(config, 2 * pair, 'scales.x'), 2)}
${indent(blockProducts(config, 2 * pair + 1, 'scales.y'), 2)}
}`
  })
  return `var scores = vec4<f32>();
${unroll(
  words / 2,
  (half) => `let eight${half} = tile[lane * ${words / 2}u + ${half}u];
let word${2 * half} = eight${half}.x;
let word${2 * half + 1} = eight${half}.y;`,
)}
${pairs}
scores *= queryUnits;`
}

/** The products of one block. Two words at a time, so that their products and the sum so far are one addition. */
function blockProducts(config: DecodeIntegersConfig, block: number, scale: string): string {
  const { key } = config.types
  const { words, inByte } = blockSizes[key]
  const codes = Array.from({ length: words * inByte }, (_, i) => {
    const n = Math.floor(i / inByte)
    const upper = i % inByte === 0 ? 0 : 1
    const word =
      block % 2 === 0 && n === words - 1 ? 'together' : `word${elementWord(key, block, n)}`
    return {
      text: inByte === 2 ? nibbles(word, upper) : word,
      place: digitPlace(config, block, n, upper),
    }
  })
  const names = ['first', 'second', 'third']
  const two = (i: number): string => {
    const both = [0, 1].map((k) => codes[2 * i + k]!)
    return `{
${both
  .map(
    ({ text, place }, k) => `  let codes${k} = ${text};
${names.map((name, digit) => `  let ${name}${k} = digits[${place + digit}];`).join('\n')}`,
  )
  .join('\n')}
${names
  .map((name) =>
    eachRow(
      (row) =>
        `  ${name}.${row} += dot4I8Packed(codes0, ${name}0.${row}) + dot4I8Packed(codes1, ${name}1.${row});`,
    ),
  )
  .join('\n')}
}`
  }
  const eight = 'vec4<u32>(8u)'
  return `{
${names.map((name) => `  var ${name} = vec4<i32>();`).join('\n')}
${indent(unroll(codes.length / 2, two), 2)}
  scores += vec4<f32>((first << ${eight}) + second + (third >> ${eight})) * ${scale};
}`
}

/** The same in loops, for software adapters: their compilers take far longer over so many products in a row. */
function rolledProducts({ types: { key }, headDim }: DecodeIntegersConfig): string {
  const { pair, second, words, inByte } = blockSizes[key]
  const word = (n: string): string =>
    `tile[lane * ${rowWords(key, headDim) / 2}u + (${n}) / 2u][(${n}) % 2u]`
  const codes =
    inByte === 2 ? '((select(word << 4u, word, upper == 1u)) & 0xf0f0f0f0u) ^ 0x80808080u' : 'word'
  const digits = ['first', 'second', 'third']
  const eight = 'vec4<u32>(8u)'
  return `var scores = vec4<f32>();
for (var block = 0u; block < ${headDim / 32}u; block++) {
  let begin = block / 2u * ${pair}u;
  let beginWord = ${word('begin')};
  let middleWord = ${word(`begin + ${second}u`)};
  let pairScales = ${bothScales('middleWord', 'beginWord')};
  ${noteScales('select(0u, pairScales, exists)')}
${digits.map((name) => `  var ${name} = vec4<i32>();`).join('\n')}
  for (var n = 0u; n < ${words}u; n++) {
    var word = ${word(`begin + 1u + n + block % 2u * ${second}u`)};
    if (block % 2u == 0u && n == ${words - 1}u) { word = ${broughtTogether('middleWord', 'beginWord')}; }
    for (var upper = 0u; upper < ${inByte}u; upper++) {
      let codes = ${codes};
      let at = ${queryDigits}u * ((block * ${words}u + n) * ${inByte}u + upper);
${digits
  .map(
    (name, digit) => `      let ${name}Digits = digits[at + ${digit}u];
${eachRow((row) => `      ${name}.${row} += dot4I8Packed(codes, ${name}Digits.${row});`)}`,
  )
  .join('\n')}
    }
  }
  scores += vec4<f32>((first << ${eight}) + second + (third >> ${eight})) * unpack2x16float(pairScales)[block % 2u];
}
scores *= queryUnits;`
}
