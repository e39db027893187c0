// The text that changes scores: what a pair is left to do for the biases in use.
import { floatExpression, floatTable, integerTable, scoreModifier } from '@attn/core'
import type { ScoreModifier } from '@attn/core'
import { describe, expect, test } from 'vitest'
import { composeLookups } from '../../src/codegen/compose-lookups.ts'
import { dataLayout } from '../../src/codegen/data-layout.ts'
import { scoreChange } from '../../src/codegen/score-change.ts'
import type { ScoreChange } from '../../src/codegen/score-change.ts'

function changeOf(...modifiers: readonly ScoreModifier[]): ScoreChange {
  const composed = modifiers.map((modifier) => ({
    ...modifier,
    expression: floatExpression(composeLookups(modifier.expression.node, 4)),
  }))
  const layout = dataLayout(composed.map(({ expression }) => expression.node))
  return scoreChange(composed, layout, new Set())
}

const slopes = floatTable('slopes', [1, 2, 4, 8])
const alibi = scoreModifier('alibi', (score, { head, query, key }) =>
  score.sub(slopes.at(head).mul(query.sub(key))),
)
const buckets = integerTable('buckets', [0, 1, 2, 2, 3])
const bias = floatTable('bias', new Float32Array(16), [4, 4])
const bucketBias = scoreModifier('bucketBias', (score, { head, query, key }) =>
  score.add(bias.at(buckets.at(query.sub(key)), head)),
)

test('ALiBi converts one distance a tile: a pair is a sum and a product', () => {
  const change = changeOf(alibi)
  expect(change.code).toMatchInlineSnapshot(`
    "struct HeadValues {
      head0: f32,
    }

    fn headValues(head: i32) -> HeadValues {
      let head0 = bitcast<f32>(data[params.tables[0].x + clampIndex(head, params.tables[0].y)]);
      return HeadValues(head0);
    }

    struct TileValues {
      tile0: f32,
    }

    fn tileValues(headValue: HeadValues, query: i32, key: i32) -> TileValues {
      let tile0 = f32((query - key));
      return TileValues(tile0);
    }

    fn modified(score: f32, headValue: HeadValues, tile0: f32) -> f32 {
      let score1 = (score - (headValue.head0 * tile0));
      return score1;
    }"
  `)
  expect(change.head).toBe('let headValue = headValues(i32(head));')
  expect(change.tile).toBe('let tileValue = tileValues(headValue, position, keyPosition);')
  expect(change.query(1) + change.key(8)).toBe('')
  expect(change.steady(3, 24)).toBeUndefined()
  expect(change.pair('s', 1, 8, false)).toBe('modified(s, headValue, tileValue.tile0 - 7.0)')
})

test('a bias by bucket is one look-up a pair, and one a tile away from the diagonal', () => {
  const change = changeOf(bucketBias)
  expect(change.code).toMatchInlineSnapshot(`
    "struct HeadValues {
      head0: u32,
    }

    fn headValues(head: i32) -> HeadValues {
      let head0 = params.tables[0].x + clampIndex(head, params.tables[0].y) * params.tables[0].z;
      return HeadValues(head0);
    }

    struct TileValues {
      tile0: i32,
    }

    fn tileValues(headValue: HeadValues, query: i32, key: i32) -> TileValues {
      let tile0 = (query - key);
      return TileValues(tile0);
    }

    struct Looked {
      lookUp0: f32,
    }

    fn lookUp(headValue: HeadValues, tile0: i32) -> Looked {
      let lookUp0 = bitcast<f32>(data[headValue.head0 + clampIndex(tile0, params.tables[0].z)]);
      return Looked(lookUp0);
    }

    fn modified(score: f32, headValue: HeadValues, looked: Looked) -> f32 {
      let score1 = (score + looked.lookUp0);
      return score1;
    }"
  `)
  expect(change.steady(3, 24)).toEqual({
    condition:
      'clampIndex(tileValue.tile0 - 24, params.tables[0].z) == clampIndex(tileValue.tile0 + 3, params.tables[0].z)',
    lookUp: 'let looked = lookUp(headValue, tileValue.tile0);',
  })
  expect(change.pair('s', 1, 8, true)).toBe('modified(s, headValue, looked)')
  expect(change.pair('s', 1, 8, false)).toBe(
    'modified(s, headValue, lookUp(headValue, tileValue.tile0 - 7))',
  )
})

describe('values are computed where they vary', () => {
  test('rows of a table with the query, places in a row with the key', () => {
    const table = floatTable('table', new Float32Array(12), [3, 4])
    const change = changeOf(
      scoreModifier('table', (score, { queryIndex, key }) => score.add(table.at(queryIndex, key))),
    )
    expect(change.head).toBe('')
    expect(change.query(2)).toBe('let queryValue2 = queryValues(queryIndex + 2);')
    expect(change.key(8)).toBe('let keyValue8 = keyValues(keyPosition + 8);')
    expect(change.pair('s', 2, 8, false)).toBe('modified(s, queryValue2, keyValue8)')
  })

  test('up to as many as registers have room for', () => {
    const many = scoreModifier('many', (score, { head }) =>
      Array.from({ length: 12 }, (_, i) => slopes.at(head.add(i).mod(4))).reduce(
        (sum, slope) => sum.add(slope),
        score,
      ),
    )
    const { code } = changeOf(many)
    expect(code.match(/^ {2}head\d+: f32,$/gm)).toHaveLength(8)
    // Those left over are the pair's.
    expect(code.split('fn modified')[1]!.match(/data\[/g)).toHaveLength(4)
  })

  test('the score of one modifier is what the one before made of it', () => {
    const { code } = changeOf(bucketBias, alibi)
    expect(code.split('fn modified')[1]).toContain('let score1 = (score + looked.lookUp0);')
    expect(code.split('fn modified')[1]).toContain(
      'let score2 = (score1 - (headValue.head1 * tile1));',
    )
  })
})
