// The output of a chunk: each thread has four dims, and multiplies the codes of four keys at a time with their weights, as
// whole numbers of two digits, where those of queries have three. A weight has the scale of its block in it; its unit is the largest
// of a chunk's, where a key that all four rows give little weight counts for as little, so that what no row sees does
// not make the others coarse. Codes and digits of four keys share words: first both lie key by key.
import type { QuantizedType } from '@attn/core'
import { indent, unroll } from '../../../codegen/snippets.ts'
import {
  blockSizes,
  bothScales,
  broughtTogether,
  byteDim,
  middleWord,
  noteScales,
  pairWord,
  rowWords,
} from '../block-words.ts'
import type { DecodeIntegersConfig } from './config.ts'

/** What the largest weight of a chunk becomes: 256 times its first digit. */
const largestNumber = 127 * 256

/** Statements before the loop: which dims are a thread's, and where they lie. */
export function valuePlaces({ types: { value } }: DecodeIntegersConfig): string {
  const { pair, second, words, inByte } = blockSizes[value]
  const own = inByte === 2 ? '(lane & 15u)' : 'lane'
  const upper = inByte === 2 ? ' + 16u * (lane >> 4u)' : ''
  const dim = (byte: number): string =>
    `32u * ownBlock${upper} + ${byteDim(value, 'ownWord', `${byte}u`, 'ownBlock % 2u == 0u')}`
  return `let ownBlock = ${own} / ${words}u;
let ownWord = ${own} % ${words}u;
let inRow = ownBlock / 2u * ${pair}u + ownBlock % 2u * ${second}u + 1u + ownWord;
let inRowHalf = inRow / 2u;
let inHalf = inRow % 2u;
${inByte === 2 ? 'let ownShift = select(4u, 0u, lane >= 16u);\n' : ''}// Two neighbouring dims, and other two.
var ownDims = vec2<u32>(${dim(0)}, ${dim(2)});`
}

/** Statements that make weights of `shares`, those of a thread's key, each at most 1. */
export function valueWeights({ types: { value }, valueDim, tile }: DecodeIntegersConfig): string {
  const half = rowWords(value, valueDim) / 2
  const word = (n: number): string =>
    `tile[lane * ${half}u + ${n >> 1}u].${n % 2 === 0 ? 'x' : 'y'}`
  const pairs = unroll(valueDim / 64, (pair) => {
    const [first, middle] = [`first${pair}`, `middle${pair}`]
    return `let ${first} = ${word(pairWord(value, pair))};
let ${middle} = ${word(middleWord(value, pair))};
let both${pair} = select(0u, ${bothScales(middle, first)}, exists);
${word(middleWord(value, pair))} = ${broughtTogether(middle, first)};
${noteScales(`both${pair}`)}`
  })
  return `var ownUnit: f32;
{
${indent(pairs, 2)}
  let scales = vec4<f32>(unpack2x16float(both0), unpack2x16float(both1));
  let importance = max(max(shares.x, shares.y), max(shares.z, shares.w));
  let largest = largestOfThreads(abs(scales) * importance, lane, 32u);
  let inverse = select(vec4<f32>(0.0), ${largestNumber}.0 / largest, largest > vec4<f32>(1e-30));
  let own = scales * inverse;
${tile.shuffles === 32 ? '' : '  workgroupBarrier();\n'}  for (var block = 0u; block < 4u; block++) {
    // The bits below the point of a float so large, and with 128 more: so the upper byte is the first digit.
    let numbers = bitcast<vec4<u32>>(fma(shares, vec4<f32>(own[block]), vec4<f32>(12583040.0)));
    let at = 16u * block + lane / 2u;
    weights[at][lane % 2u * 2u] = (numbers.x & 0xffffu) | (numbers.y << 16u);
    weights[at][lane % 2u * 2u + 1u] = (numbers.z & 0xffffu) | (numbers.w << 16u);
  }
  ownUnit = largest[ownBlock] * ${1 / largestNumber / (blockSizes[value].inByte === 2 ? 16 : 1)};
}
workgroupBarrier();
${digitsOfFourKeys}`
}

/** A block and four keys are a thread's. */
const digitsOfFourKeys = `{
  let at = lane % 4u * 16u + lane / 4u * 2u;
  let one = weights[at];
  let other = weights[at + 1u];
  workgroupBarrier();
  let lows = vec2<u32>(0x00ff00ffu);
  let low01 = (one.xy & lows) | ((one.zw << vec2<u32>(8u)) & ~lows);
  let high01 = ((one.xy >> vec2<u32>(8u)) & lows) | (one.zw & ~lows);
  let low23 = (other.xy & lows) | ((other.zw << vec2<u32>(8u)) & ~lows);
  let high23 = ((other.xy >> vec2<u32>(8u)) & lows) | (other.zw & ~lows);
  let firstRows = vec2<u32>(0xffffu);
  let up = vec2<u32>(16u);
  let highEven = (high01 & firstRows) | (high23 << up);
  let highOdd = (high01 >> up) | (high23 & ~firstRows);
  let lowEven = (low01 & firstRows) | (low23 << up);
  let lowOdd = (low01 >> up) | (low23 & ~firstRows);
  let place = lane / 4u * 8u + lane % 4u;
  weights[place] = vec4<u32>(highEven.x, highOdd.x, highEven.y, highOdd.y);
  weights[place + 4u] = vec4<u32>(lowEven.x, lowOdd.x, lowEven.y, lowOdd.y) ^ vec4<u32>(0x80808080u);
}
workgroupBarrier();`

/** Statements that add to `sum0` to `sum3` what the chunk gives the rows. */
export function valueProducts({ types: { value }, valueDim }: DecodeIntegersConfig): string {
  const half = rowWords(value, valueDim) / 2
  const numbers = unroll(4, (r) => `var high${r} = vec4<i32>();\nvar low${r} = vec4<i32>();`)
  const eightKeys = unroll(4, (i) => {
    const sums = (digit: string): string =>
      unroll(4, (r) =>
        unroll(
          4,
          (d) =>
            `  ${digit}${r}[${d}] += dot4I8Packed(codes${d}a, ${digit}a[${r}]) + dot4I8Packed(codes${d}b, ${digit}b[${r}]);`,
        ),
      )
    return `{
${indent(fourKeys(value, half, 2 * i, 'a'), 2)}
${indent(fourKeys(value, half, 2 * i + 1, 'b'), 2)}
${sums('high')}
${sums('low')}
}`
  })
  return `${numbers}
${eightKeys}
${unroll(4, (r) => `sum${r} = sum${r} * decay[${r}] + vec4<f32>((high${r} << vec4<u32>(8u)) + low${r}) * (ownUnit * gain[${r}]);`)}`
}

/** Statements that declare the codes of the keys `4 * i ..`, of each dim in a word, and the digits of their weights. */
function fourKeys(type: QuantizedType, half: number, i: number, t: string): string {
  const words = unroll(
    4,
    (k) => `let key${k}${t} = tile[${(4 * i + k) * half}u + inRowHalf][inHalf];`,
  )
  const code = (d: number, text: string): string =>
    `let codes${d}${t} = ${type === 'q4_0' ? `(((${text}) << ownShift) & 0xf0f0f0f0u) ^ 0x80808080u` : text};`
  return `let high${t} = weights[${8 * i}u + ownBlock];
let low${t} = weights[${8 * i + 4}u + ownBlock];
${words}
let even01${t} = (key0${t} & 0x00ff00ffu) | ((key1${t} << 8u) & 0xff00ff00u);
let odd01${t} = ((key0${t} >> 8u) & 0x00ff00ffu) | (key1${t} & 0xff00ff00u);
let even23${t} = (key2${t} & 0x00ff00ffu) | ((key3${t} << 8u) & 0xff00ff00u);
let odd23${t} = ((key2${t} >> 8u) & 0x00ff00ffu) | (key3${t} & 0xff00ff00u);
${code(0, `(even01${t} & 0xffffu) | (even23${t} << 16u)`)}
${code(1, `(odd01${t} & 0xffffu) | (odd23${t} << 16u)`)}
${code(2, `(even01${t} >> 16u) | (even23${t} & 0xffff0000u)`)}
${code(3, `(odd01${t} >> 16u) | (odd23${t} & 0xffff0000u)`)}`
}
