import { describe, expect, test } from 'vitest'
import { matrixText } from '@attn/masks'
import { parseMask } from '../src/rooms/mask/expression/parse-mask.ts'

/** Which keys each of eight queries sees. */
function pairs(text: string, values: Record<string, number> = {}): string[] {
  const rows = matrixText(parseMask(text).build(values), 8).split('\n').slice(0, 8)
  // Parts have letters of their own.
  return rows.map((row) => row.replace(/[^·]/g, '#'))
}

describe('a mask as a visitor writes it', () => {
  test.each<[string, Record<string, number>, (q: number, k: number) => boolean]>([
    ['k <= q', {}, (q, k) => k <= q],
    ['k <= q && q - k < w || k < 2', { w: 3 }, (q, k) => (k <= q && q - k < 3) || k < 2],
    ['abs(q - k) % stride == 0', { stride: 3 }, (q, k) => Math.abs(q - k) % 3 === 0],
    ['q / 3 == k / 3', {}, (q, k) => Math.floor(q / 3) === Math.floor(k / 3)],
    ['!(k > q) && true', {}, (q, k) => k <= q],
    ['(q < 4 ? 2 : 5) > k', {}, (q, k) => (q < 4 ? 2 : 5) > k],
    ['q < 4 ? k < 2 : k == q', {}, (q, k) => (q < 4 ? k < 2 : k === q)],
    ['max(q, 3, k) != min(q, k) * 2', {}, (q, k) => Math.max(q, 3, k) !== Math.min(q, k) * 2],
    ['(k < 4) == (q < 4)', {}, (q, k) => k < 4 === q < 4],
    ['k >= -q + L - 1', {}, (q, k) => k >= -q + 7],
  ])('%s', (text, values, sees) => {
    const expected = Array.from({ length: 8 }, (_, q) =>
      Array.from({ length: 8 }, (_key, k) => (sees(q, k) ? '#' : '·')).join(''),
    )
    expect(pairs(text, values)).toEqual(expected)
  })

  test('names that are no coordinates are numbers to be set', () => {
    expect(parseMask('k <= q && q - k < width && h < heads').numbers).toEqual(['width', 'heads'])
  })
})

describe('a text that is no mask is told what is wrong', () => {
  test.each([
    ['', /write which keys/],
    ['k <=', /Expected expression/],
    ['k + 1', /the mask needs conditions/],
    ['k && q', /&& needs conditions/],
    ['(k < q) + 1', /\+ needs numbers/],
    ['k < 1.5', /whole/],
    ['k < "a"', /whole/],
    ['k <= q; k < 3', /several expressions/],
    ['k ** 2 < q', /\*\* has no meaning|Unexpected|Expected/],
    ['k < q | 1', /\| has no meaning/],
    ['sqrt(k) < q', /got sqrt of 1/],
    ['a < b1 && c < d && e < f && g < i && j < l', /at most 8 numbers/],
    [`k < ${'1'.repeat(1001)}`, /at most 1000 characters/],
  ])('%s', (text, message) => {
    expect(() => parseMask(text)).toThrow(SyntaxError)
    expect(() => parseMask(text)).toThrow(message)
  })

  test('a divisor of 0 is refused, by core', () => {
    expect(() => parseMask('k % n == 0').build({ n: 0 })).toThrow(RangeError)
  })
})

describe('a text that wants to do something', () => {
  test.each([
    'globalThis.alert(1) < 2',
    'constructor.constructor("return 1")() < 2',
    'k["constructor"] < 2',
    '(() => 1)() < 2',
    'this.x < 1',
    '[k, q].length < 3',
    'alert(1) < 2',
    'k < __proto__',
    'window = 1',
    '`${k}` < 1',
  ])('%s does nothing', (text) => {
    expect(() => parseMask(text)).toThrow(SyntaxError)
  })

  test('names of object properties are numbers like others', () => {
    const { numbers, build } = parseMask('k < toString')
    expect(numbers).toEqual(['toString'])
    expect(matrixText(build({}), 4).split('\n').slice(0, 4)).toEqual(Array(4).fill('····'))
  })
})
