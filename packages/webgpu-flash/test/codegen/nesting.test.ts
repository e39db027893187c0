// Text of expressions that are nested deep, or use subtrees many times: shallow, and linear in the graph.
import { describe, expect, it } from 'vitest'
import { coordinate, floatTable, mask, scoreModifier, UnsupportedError } from '@attn/core'
import type { Coordinates, ExpressionNode, FloatExpression, ScoreModifier } from '@attn/core'
import { dataLayout } from '../../src/codegen/data-layout.ts'
import { expressionFunction } from '../../src/codegen/expression.ts'
import { mostOperations } from '../../src/codegen/expression-limit.ts'
import { scoreChange } from '../../src/codegen/score-change.ts'
import { defaultCapabilities } from '../../src/device/capabilities.ts'
import { planForward } from '../../src/plan/plan.ts'

const repeat = <T>(count: number, start: T, step: (value: T, index: number) => T): T => {
  let value = start
  for (let index = 0; index < count; index++) value = step(value, index)
  return value
}

/** How many brackets are open at once. */
function nesting(text: string): number {
  let [open, most] = [0, 0]
  for (const letter of text) {
    if (letter === '(') most = Math.max(most, ++open)
    if (letter === ')') open--
  }
  return most
}

const functionOf = (node: ExpressionNode): string =>
  expressionFunction('f', node, dataLayout([node]), true).code
const changeOf = ({ expression, ...rest }: ScoreModifier): string =>
  scoreChange([{ expression, ...rest }], dataLayout([expression.node]), new Set()).code

const key = coordinate('key')
const table = floatTable('table', [1, 2, 3])

/** Score modifiers that grow with a number, of every kind that text is made of in its own way. */
const modifiers: Readonly<
  Record<string, (count: number, score: FloatExpression, at: Coordinates) => FloatExpression>
> = {
  sums: (count, score) => repeat(count, score, (sum, index) => sum.add(index / 2)),
  choices: (count, score, at) =>
    repeat(count, score, (sum, index) => at.key.eq(index).select(sum.add(1), sum)),
  squares: (count, score) => repeat(count, score, (sum) => sum.mul(sum).tanh()),
  'numbers of the head': (count, score, { head }) =>
    score.add(repeat(count, head.toFloat(), (sum) => sum.mul(sum).add(0.5))),
  'numbers of keys': (count, score, at) =>
    score.add(repeat(count, at.key.toFloat(), (sum) => sum.mul(sum).tanh())),
  'more numbers than there are fields': (count, score, at) =>
    repeat(9, score, (sum, field) =>
      sum.add(repeat(count, at.key.add(field).toFloat(), (deep) => deep.mul(0.5).tanh())),
    ),
  'least integers as floats': (count, score, at) =>
    score.add(
      repeat(count, at.query.mul(at.key), (least, index) => least.min(least.sub(index))).toFloat(),
    ),
  'look-ups': (count, score, at) =>
    score.add(
      repeat(count, table.at(at.query.mul(at.key)), (found) => table.at(found.floor().add(at.key))),
    ),
}

describe.each(Object.entries(modifiers))('text of %s', (_, build) => {
  const modifier = (count: number): ScoreModifier =>
    scoreModifier('grown', (score, at) => build(count, score, at))

  it.each([
    ['a function', (count: number) => functionOf(modifier(count).expression.node)],
    ['a change of scores', (count: number) => changeOf(modifier(count))],
  ])('is shallow and linear: %s', (_form, textOf) => {
    expect(nesting(textOf(400))).toBeLessThan(100)
    const [some, more, most] = [textOf(100).length, textOf(200).length, textOf(400).length]
    expect(most - more).toBeLessThan(2.5 * (more - some))
    expect(most).toBeLessThan(400_000)
  })
})

describe('expressions of more operations than a GPU is given', () => {
  const wide = (count: number) =>
    mask('wide', () => repeat(count, key.eq(0), (any, index) => any.or(key.eq(index + 1))))
  const planned = (count: number) =>
    planForward({ heads: 1, queryLength: 8, headDim: 4, mask: wide(count) }, defaultCapabilities)

  it('are refused when they are planned, with the number and a way out', () => {
    expect(() => planned(mostOperations)).toThrow(UnsupportedError)
    expect(() => planned(10_000)).toThrow(
      'flash.plan: wide takes 20001 operations for each pair, at most 4096 are supported on a GPU; look positions up in a relation() or a table instead of asking for each',
    )
    expect(planned(mostOperations / 2 - 1).call.rules.code).toContain('fn visible')
  })
})
