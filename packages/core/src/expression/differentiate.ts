// Reading 3 of the tree: its derivative, again a tree, so that the CPU, the bounds and the shader
// generator get it for free. Forward mode (Wengert, 1964): each node's derivative from those of its
// operands. Trees of masks and score modifiers are small, and most derivatives fold to 0 or 1.
//
// Where a function has no derivative one is agreed on, the same on every backend:
// - integers, booleans, comparisons and `floor` do not change: 0. Choices (`select`) pass on the
//   derivative of the branch taken.
// - `abs` at 0: 0. `min` and `max` of equal numbers: the derivative of the left one.
// - `pow` of base 0: the derivative by its exponent is 0.
// - `sqrt` and `log` at 0 have derivative Infinity, as IEEE arithmetic has it.
import { typeError } from '../errors.ts'
import { booleanExpression, float, floatExpression, integerExpression } from './expression.ts'
import type { BooleanExpression, FloatExpression, IntegerExpression } from './expression.ts'
import { difference, isConstant, product, quotient, sum } from './fold.ts'
import { nodesOf } from './graph.ts'
import type { ExpressionNode, Table, UnaryOperation } from './node.ts'

type NodeOf<Kind extends ExpressionNode['kind']> = Extract<ExpressionNode, { kind: Kind }>

/**
 * The derivative of a float expression by the score or by a float parameter.
 *
 * It shares subtrees with `expression`, and is the constant 0 or 1 where that is all it is.
 *
 * @param expression - Of a score modifier, for instance.
 * @param by - `'score'`, or a parameter made by `floatParameter`.
 * @throws TypeError when `by` is neither.
 *
 * @example
 * ```ts
 * import { differentiate, evaluate, softcap } from '@attn/core'
 * const slope = differentiate(softcap(5).expression, 'score')
 * evaluate(slope, { score: 0 }) // => 1
 * evaluate(slope, { score: 100 }) < 1e-6 // => true
 * ```
 */
export function differentiate(
  expression: FloatExpression,
  by: 'score' | FloatExpression,
): FloatExpression {
  if (by === 'score') {
    return derivative(
      expression.node,
      (node) => node.kind === 'coordinate' && node.name === 'score',
    )
  }
  if (by?.node?.kind !== 'parameter') {
    const got = typeof by === 'object' ? `a ${by.node.kind}` : by
    throw typeError(`differentiate: need 'score' or a float parameter, got ${got}`)
  }
  const { name } = by.node.parameter
  return derivative(
    expression.node,
    (node) => node.kind === 'parameter' && node.parameter.name === name,
  )
}

/** How an expression depends on one entry of a trainable table. */
export interface TableDerivative {
  readonly table: Table
  /** Which entry, in row-major order; each index is clamped to its axis, as the look-up does. */
  readonly entry: IntegerExpression
  /** The index of each axis, before it is clamped. */
  readonly indices: readonly IntegerExpression[]
  /** Derivative of the expression by that entry. */
  readonly derivative: FloatExpression
}

/**
 * The derivatives of a float expression by the entries of trainable tables that it looks up, one for
 * each look-up. Look-ups that cannot change the value, such as those in a condition, are left out.
 *
 * @example
 * ```ts
 * import { differentiateTables, evaluate, floatTable, scoreModifier } from '@attn/core'
 * const bias = floatTable('bias', [0.5, 0.25, 0.125], [3], { trainable: true })
 * const { expression } = scoreModifier('bias', (score, { query, key }) =>
 *   score.add(bias.at(query.sub(key)).mul(2)))
 * const [byBias] = differentiateTables(expression)
 * evaluate(byBias!.entry, { query: 9, key: 8 }) // => 1
 * evaluate(byBias!.derivative, {}) // => 2
 * ```
 */
export function differentiateTables(expression: FloatExpression): readonly TableDerivative[] {
  return trainableLookups(expression.node).flatMap((lookup) => {
    const slope = derivative(expression.node, (node) => node === lookup)
    if (isConstant(slope, 0)) return []
    const indices = lookup.indices.map(integerExpression)
    return [{ table: lookup.table, entry: entryOf(lookup), indices, derivative: slope }]
  })
}

function trainableLookups(root: ExpressionNode): readonly NodeOf<'lookup'>[] {
  return nodesOf(root).filter(
    (node): node is NodeOf<'lookup'> => node.kind === 'lookup' && node.table.trainable,
  )
}

function entryOf({ table, indices }: NodeOf<'lookup'>): IntegerExpression {
  return indices
    .map((index, axis) =>
      integerExpression(index)
        .max(0)
        .min(table.shape[axis]! - 1),
    )
    .reduce((entry, index, axis) => entry.mul(table.shape[axis]!).add(index))
}

function derivative(
  root: ExpressionNode,
  isVariable: (node: ExpressionNode) => boolean,
): FloatExpression {
  const known = new Map<ExpressionNode, FloatExpression>()
  const of = (node: ExpressionNode): FloatExpression => known.get(node)!
  for (const node of nodesOf(root)) {
    known.set(node, isVariable(node) ? float(1) : rule(node, of))
  }
  return of(root)
}

/** The derivative of a node from those of its operands. */
function rule(
  node: ExpressionNode,
  of: (node: ExpressionNode) => FloatExpression,
): FloatExpression {
  if (node.type !== 'float') return float(0)
  switch (node.kind) {
    case 'unary':
      return product(slope(node, node.operation, floatExpression(node.operand)), of(node.operand))
    case 'arithmetic':
      return arithmeticRule(node, of(node.left), of(node.right))
    case 'select':
      return choose(booleanExpression(node.condition), of(node.whenTrue), of(node.whenFalse))
    default:
      return float(0) // Constants, other variables, look-ups of other tables.
  }
}

/** Derivative of a unary operation by its operand x; `node` is its value. */
function slope(
  node: ExpressionNode,
  operation: UnaryOperation,
  x: FloatExpression,
): FloatExpression {
  const value = floatExpression(node)
  switch (operation) {
    case 'negate':
      return float(-1)
    case 'absolute':
      return x.gt(0).select(float(1), x.lt(0).select(float(-1), float(0)))
    case 'exp':
      return value
    case 'log':
      return float(1).div(x)
    case 'sqrt':
      return float(0.5).div(value)
    case 'sin':
      return x.cos()
    case 'cos':
      return x.sin().neg()
    case 'tanh':
      return float(1).sub(value.mul(value))
    case 'floor':
    case 'toFloat':
      return float(0) // Of or from an integer.
  }
}

/** d(a op b) from da and db. */
function arithmeticRule(
  node: NodeOf<'arithmetic'>,
  da: FloatExpression,
  db: FloatExpression,
): FloatExpression {
  const [a, b, value] = [node.left, node.right, node].map(floatExpression) as [
    FloatExpression,
    FloatExpression,
    FloatExpression,
  ]
  switch (node.operation) {
    case 'add':
      return sum(da, db)
    case 'subtract':
      return difference(da, db)
    case 'multiply':
      return sum(product(da, b), product(a, db))
    case 'divide':
      return quotient(difference(da, product(value, db)), b)
    case 'power':
      return sum(product(powerByBase(a, b), da), product(powerByExponent(a, value), db))
    case 'minimum':
      return choose(a.le(b), da, db)
    case 'maximum':
      return choose(a.ge(b), da, db)
    case 'floorDivide':
    case 'modulo':
      return float(0) // Integers only.
  }
}

/** b a^(b - 1), where 0^0 makes b = 0 harmless. */
function powerByBase(a: FloatExpression, b: FloatExpression): FloatExpression {
  const power = (exponent: FloatExpression): FloatExpression =>
    isConstant(exponent, 0) ? float(1) : isConstant(exponent, 1) ? a : a.pow(exponent)
  const result = product(b, power(difference(b, float(1))))
  return b.node.kind === 'constant' ? result : choose(b.eq(0), float(0), result)
}

/** a^b log a; 0 for a = 0, where a^b does not change with b. */
function powerByExponent(a: FloatExpression, value: FloatExpression): FloatExpression {
  return choose(a.gt(0), product(value, a.log()), float(0))
}

function choose(
  condition: BooleanExpression,
  whenTrue: FloatExpression,
  whenFalse: FloatExpression,
): FloatExpression {
  const [a, b] = [whenTrue.node, whenFalse.node]
  const same = a === b || (a.kind === 'constant' && b.kind === 'constant' && a.value === b.value)
  return same ? whenTrue : condition.select(whenTrue, whenFalse)
}
