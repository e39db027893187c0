import { mask } from '@attn/core'
import { describe, expect, test } from 'vitest'
import {
  bigBird,
  causal,
  gridSvg,
  gridText,
  longformer,
  matrixSvg,
  matrixText,
  patternOf,
  perHead,
  prefixLm,
  slidingWindow,
  strided,
} from '../../src/index.ts'
import { everyPattern } from '../support/every-pattern.ts'
import { pairs, pairsOf } from '../support/pairs.ts'

/** What the paths of a matrix cover, read back from the text of the picture. */
function coverage(svg: string, length: number): string[] {
  const seen = new Set<string>()
  for (const [, path] of svg.matchAll(/<path fill="#[^>]* d="([^"]*)"/g)) {
    for (const [, column, row, width] of path!.matchAll(/M(\d+) (\d+)h(\d+)v1H\d+z/g)) {
      for (let step = 0; step < Number(width); step++) seen.add(`${row} ${Number(column) + step}`)
    }
  }
  return pairs(length, (query, key) => seen.has(`${query} ${key}`))
}

/** Throws where elements do not nest or quotes do not close. */
function openElements(svg: string): string[] {
  const open: string[] = []
  for (const [tag, closing, name, empty] of svg.matchAll(
    /<(\/?)([a-z]+)(?:\s+[a-zA-Z:-]+="[^"<>]*")*\s*(\/?)>|</g,
  )) {
    if (!name) throw new Error(`stray < at ${tag}`)
    if (closing && open.pop() !== name) throw new Error(`</${name}> closes another element`)
    if (!closing && !empty) open.push(name)
  }
  return open
}

describe('matrixText', () => {
  test('shows the pairs of every pattern', () => {
    for (const [name, pattern] of everyPattern(48, 4)) {
      const lines = matrixText(pattern, 48).split('\n').slice(0, 48)
      const seen = lines.map((line) => line.replaceAll(/[^·]/g, '#').replaceAll('·', '.'))
      expect([name, ...seen]).toEqual([name, ...pairsOf(pattern, 48)])
    }
  })

  test('names the parts that are visible', () => {
    const mixed = perHead([prefixLm(2), slidingWindow(1)])
    expect(matrixText(mixed, 4, { head: 1 }).split('\n')).toEqual([
      '+···',
      '++··',
      '·++·',
      '··++',
      '+ slidingWindow',
    ])
  })

  test('shows squares of tokens when there are too many', () => {
    expect(matrixText(strided(32).merged(), 256, { mostCells: 8 }).split('\n')).toEqual([
      '#·······',
      '##······',
      'o##·····',
      'oo##····',
      'ooo##···',
      'oooo##··',
      'ooooo##·',
      'oooooo##',
      '# window  o strided  (a character is 32 x 32 tokens)',
    ])
  })

  test('shows the last queries where there are fewer', () => {
    expect(matrixText(causal(), 5, { queryLength: 2 })).toBe('####·\n#####\n# causal')
  })

  test('refuses sizes that are not whole', () => {
    expect(() => matrixText(causal(), 0)).toThrow(RangeError)
    expect(() => matrixText(causal(), 4, { mostCells: 0 })).toThrow(RangeError)
  })
})

describe('matrixSvg', () => {
  test('draws the pairs of every pattern, well formed', () => {
    for (const [name, pattern] of everyPattern(48, 4)) {
      const svg = matrixSvg(pattern, 48)
      expect([name, ...coverage(svg, 48)]).toEqual([name, ...pairsOf(pattern, 48)])
      expect(openElements(svg)).toEqual([])
    }
  })

  test('draws squares of tokens beyond 256', () => {
    const svg = matrixSvg(slidingWindow(3), 1024)
    expect(svg).toContain('1024 queries, 1024 keys, 4 x 4 tokens a square')
    expect(coverage(svg, 256)).toEqual(pairs(256, (i, j) => j === i || j === i - 1))
    expect(svg.length).toBeLessThan(50_000)
  })

  test('colours each pair by the first part that allows it', () => {
    const svg = matrixSvg(longformer({ window: 2, globalTokens: [0] }), 16)
    const colors = [...svg.matchAll(/<path fill="(#[0-9a-f]+)"/g)].map(([, color]) => color)
    expect(new Set(colors).size).toBe(3)
    expect(coverage(svg.replaceAll(/<path fill="#(?!0072b2)[^>]*>/g, ''), 16)).toEqual(
      pairs(16, (i, j) => Math.abs(i - j) <= 1),
    )
  })

  test('gives a part the same colour in every picture, and no two parts the same', () => {
    const colorOf = (svg: string, name: string): string =>
      new RegExp(`fill="(#[0-9a-f]+)"/>\n<text[^>]*>${name}<`).exec(svg)![1]!
    const big = matrixSvg(bigBird({ length: 32, blockSize: 2 }), 32)
    const long = matrixSvg(longformer({ window: 2 }), 32)
    for (const name of ['window', 'globalKeys', 'globalQueries']) {
      expect(colorOf(big, name)).toBe(colorOf(long, name))
    }
    const names = ['random', 'alpha', 'beta', 'gamma', 'delta', 'window']
    const many = names.map((name, at) => mask(name, ({ key }) => key.eq(at)))
    const svg = matrixSvg(patternOf('many', many), 8)
    expect(new Set(names.map((name) => colorOf(svg, name))).size).toBe(names.length)
  })

  test.each([
    ['16 tokens', 16, {}],
    ['1024 tokens', 1024, {}],
    ['a small picture', 1024, { size: 100 }],
    ['a few queries', 1024, { queryLength: 4 }],
    ['a few keys', 16, { queryLength: 900 }],
    ['a long title', 64, { size: 80, title: 'as long as a title '.repeat(9) }],
  ])('keeps its text apart and inside: %s', (_, length, options) => {
    const many = perHead([longformer({ window: 8 }), prefixLm(5)])
    const svg = matrixSvg(many, length, options)
    const [, width] = /<svg [^>]*width="([\d.]+)"/.exec(svg)!.map(Number)
    // Six tenths of the size of a letter is more than most letters are wide.
    const boxes = [
      ...svg.matchAll(
        /<text x="([\d.]+)" y="([\d.]+)" font-size="(\d+)"[^>]*text-anchor="(\w+)"([^>]*)>([^<]+)</g,
      ),
    ]
      .filter(([, , , , , rest]) => !rest!.includes('rotate'))
      .map(([, x, y, size, anchor, , text]) => {
        const wide = 0.6 * Number(size) * text!.length
        const left = Number(x) - { start: 0, middle: wide / 2, end: wide }[anchor!]!
        return { text, left, right: left + wide, top: Number(y) - Number(size), bottom: Number(y) }
      })
    expect(boxes.length).toBeGreaterThan(4)
    for (const [index, box] of boxes.entries()) {
      expect(box.left).toBeGreaterThanOrEqual(0)
      expect(box.right).toBeLessThanOrEqual(width!)
      const overlapping = boxes
        .slice(index + 1)
        .filter(
          (other) =>
            other.left < box.right &&
            box.left < other.right &&
            other.top < box.bottom &&
            box.top < other.bottom,
        )
      expect(overlapping.map(({ text }) => `${box.text} and ${text}`)).toEqual([])
    }
  })

  test('escapes its title', () => {
    const svg = matrixSvg(causal(), 4, { title: '<script>"a & b"</script>' })
    expect(svg).toContain('<title>&lt;script&gt;&quot;a &amp; b&quot;&lt;/script&gt;</title>')
    expect(svg).not.toContain('<script>')
  })

  test('refuses a size that is none', () => {
    expect(() => matrixSvg(causal(), 4, { size: 0 })).toThrow('size must be a positive number')
    expect(() => matrixSvg(causal(), 4, { size: Number.NaN })).toThrow(RangeError)
  })
})

describe('the view of one pixel', () => {
  test('in text, marks the pixel and what it sees', () => {
    expect(gridText(strided(4).merged(), { width: 4, query: 14 }).split('\n')).toEqual([
      '··o·',
      '··o·',
      '··##',
      '##■·',
      '# window  o strided',
    ])
    expect(gridText(causal(), { width: 3, height: 2, query: 2 })).toBe('##■\n···\n# causal')
  })

  test('as SVG, has a square for each pixel', () => {
    const svg = gridSvg(strided(8).merged(), { width: 8, query: 36 })
    const fills = [...svg.matchAll(/<rect x="[\d.]+" y="[\d.]+" [^>]*fill="(#[0-9a-f]+)"/g)]
      .map(([, color]) => color)
      .slice(0, 64)
    expect(fills[36]).toBe('#1f2933')
    expect(fills.map((color) => color !== '#eef0f3')).toEqual(
      Array.from({ length: 64 }, (_, j) => j <= 36 && (36 - j <= 8 || (36 - j) % 8 === 0)),
    )
    expect(openElements(svg)).toEqual([])
    expect(svg).toContain('pixel 36 of 8 x 8')
  })

  test('refuses a pixel outside the image', () => {
    expect(() => gridText(causal(), { width: 3, query: 9 })).toThrow('one of 9 pixels, got 9')
    expect(() => gridSvg(causal(), { width: 0 })).toThrow(RangeError)
    expect(() => gridSvg(causal(), { width: 3, size: -1 })).toThrow(RangeError)
  })
})
