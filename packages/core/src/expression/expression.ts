// The fluent builder. JavaScript has no operator overloading, so `key <= query` is
// `key.le(query)`; each method checks types and returns a new frozen tree.
import { rangeError, typeError } from '../errors.ts'
import type {
  BooleanExpression,
  BooleanLike,
  FloatExpression,
  FloatLike,
  IntegerExpression,
  IntegerLike,
} from './expression-types.ts'
import type {
  ArithmeticOperation,
  ComparisonOperation,
  Coordinate,
  ExpressionNode,
  LogicalOperation,
  UnaryOperation,
} from './node.ts'

export type {
  BooleanExpression,
  BooleanLike,
  FloatExpression,
  FloatLike,
  IntegerExpression,
  IntegerLike,
} from './expression-types.ts'

const freeze = <T extends ExpressionNode>(node: T): T => Object.freeze(node)

/**
 * A whole number as an expression.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate, integer } from '@attn/core'
 * evaluate(integer(10).sub(coordinate('key')), { key: 4 }) // => 6
 * ```
 */
export function integer(value: IntegerLike): IntegerExpression {
  if (typeof value !== 'number') return asInteger(value)
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 31) {
    throw rangeError(`integer: need a whole number that fits 32 bits, got ${value}`)
  }
  return integerExpression(freeze({ kind: 'constant', type: 'integer', value }))
}

/**
 * A number as a float expression; integer expressions are converted.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate, float } from '@attn/core'
 * evaluate(float(0.5).mul(coordinate('key')), { key: 4 }) // => 2
 * ```
 */
export function float(value: FloatLike): FloatExpression {
  if (typeof value === 'number') {
    if (Number.isNaN(value)) throw rangeError('float: need a number, got NaN')
    return floatExpression(freeze({ kind: 'constant', type: 'float', value }))
  }
  const { node } = value
  return node?.type === 'integer' ? integerExpression(node).toFloat() : asFloat(value)
}

/**
 * A truth value as an expression.
 *
 * @example
 * ```ts
 * import { boolean, coordinate, evaluate } from '@attn/core'
 * evaluate(boolean(true).and(coordinate('key').lt(3)), { key: 4 }) // => 0
 * ```
 */
export function boolean(value: BooleanLike): BooleanExpression {
  if (typeof value === 'boolean') {
    return booleanExpression(freeze({ kind: 'constant', type: 'boolean', value: value ? 1 : 0 }))
  }
  if (value?.node?.type !== 'boolean') throw kindError('boolean', value)
  return value
}

function asInteger(value: { readonly node: ExpressionNode }): IntegerExpression {
  if (value?.node?.type !== 'integer') throw kindError('integer', value)
  return value as IntegerExpression
}

function asFloat(value: { readonly node: ExpressionNode }): FloatExpression {
  if (value?.node?.type !== 'float') throw kindError('float', value)
  return value as FloatExpression
}

function kindError(wanted: string, value: unknown): TypeError {
  const node = (value as { node?: ExpressionNode } | null)?.node
  const got = node ? `a ${node.type} expression` : typeof value
  return typeError(
    `expression: need ${wanted === 'integer' ? 'an' : 'a'} ${wanted} expression, got ${got}`,
  )
}

function checkDivisor(divisor: ExpressionNode): void {
  if (divisor.kind === 'constant' && divisor.value <= 0) {
    throw rangeError(`expression: a divisor must be positive, got ${divisor.value}`)
  }
}

/**
 * Wraps an integer node with the builder's methods.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate, integerExpression } from '@attn/core'
 * const { node } = coordinate('key')
 * evaluate(integerExpression(node).add(1), { key: 4 }) // => 5
 * ```
 */
export function integerExpression(node: ExpressionNode): IntegerExpression {
  const arithmetic = (operation: ArithmeticOperation, other: IntegerLike): IntegerExpression =>
    integerExpression(
      freeze({
        kind: 'arithmetic',
        type: 'integer',
        operation,
        left: node,
        right: integer(other).node,
      }),
    )
  const divide = (operation: ArithmeticOperation, other: IntegerLike): IntegerExpression => {
    checkDivisor(integer(other).node)
    return arithmetic(operation, other)
  }
  const unary = (operation: UnaryOperation): ExpressionNode =>
    freeze({
      kind: 'unary',
      type: operation === 'toFloat' ? 'float' : 'integer',
      operation,
      operand: node,
    })
  return {
    node,
    add: (other) => arithmetic('add', other),
    sub: (other) => arithmetic('subtract', other),
    mul: (other) => arithmetic('multiply', other),
    floorDiv: (divisor) => divide('floorDivide', divisor),
    mod: (divisor) => divide('modulo', divisor),
    min: (other) => arithmetic('minimum', other),
    max: (other) => arithmetic('maximum', other),
    neg: () => integerExpression(unary('negate')),
    abs: () => integerExpression(unary('absolute')),
    toFloat: () => floatExpression(unary('toFloat')),
    ...comparisons(node, (other: IntegerLike) => integer(other).node),
  }
}

/**
 * Wraps a float node with the builder's methods.
 *
 * @example
 * ```ts
 * import { evaluate, float, floatExpression } from '@attn/core'
 * const { node } = float(4)
 * evaluate(floatExpression(node).sqrt(), {}) // => 2
 * ```
 */
export function floatExpression(node: ExpressionNode): FloatExpression {
  const arithmetic = (operation: ArithmeticOperation, other: FloatLike): FloatExpression =>
    floatExpression(
      freeze({
        kind: 'arithmetic',
        type: 'float',
        operation,
        left: node,
        right: float(other).node,
      }),
    )
  const unary = (operation: UnaryOperation): FloatExpression =>
    floatExpression(freeze({ kind: 'unary', type: 'float', operation, operand: node }))
  return {
    node,
    add: (other) => arithmetic('add', other),
    sub: (other) => arithmetic('subtract', other),
    mul: (other) => arithmetic('multiply', other),
    div: (other) => arithmetic('divide', other),
    pow: (exponent) => arithmetic('power', exponent),
    min: (other) => arithmetic('minimum', other),
    max: (other) => arithmetic('maximum', other),
    neg: () => unary('negate'),
    abs: () => unary('absolute'),
    exp: () => unary('exp'),
    log: () => unary('log'),
    sqrt: () => unary('sqrt'),
    sin: () => unary('sin'),
    cos: () => unary('cos'),
    tanh: () => unary('tanh'),
    floor: () =>
      integerExpression(
        freeze({ kind: 'unary', type: 'integer', operation: 'floor', operand: node }),
      ),
    ...comparisons(node, (other: FloatLike) => float(other).node),
  }
}

/**
 * Wraps a boolean node with the builder's methods.
 *
 * @example
 * ```ts
 * import { booleanExpression, coordinate, evaluate } from '@attn/core'
 * const { node } = coordinate('key').lt(3)
 * evaluate(booleanExpression(node).not(), { key: 4 }) // => 1
 * ```
 */
export function booleanExpression(node: ExpressionNode): BooleanExpression {
  const logical = (operation: LogicalOperation, other: BooleanLike): BooleanExpression =>
    booleanExpression(
      freeze({
        kind: 'logical',
        type: 'boolean',
        operation,
        left: node,
        right: boolean(other).node,
      }),
    )
  function select(whenTrue: IntegerLike, whenFalse: IntegerLike): IntegerExpression
  function select(whenTrue: FloatLike, whenFalse: FloatLike): FloatExpression
  function select(whenTrue: FloatLike, whenFalse: FloatLike): IntegerExpression | FloatExpression {
    if (isWhole(whenTrue) && isWhole(whenFalse)) {
      return integerExpression(
        freeze({
          kind: 'select',
          type: 'integer',
          condition: node,
          whenTrue: integer(whenTrue as IntegerLike).node,
          whenFalse: integer(whenFalse as IntegerLike).node,
        }),
      )
    }
    return floatExpression(
      freeze({
        kind: 'select',
        type: 'float',
        condition: node,
        whenTrue: float(whenTrue).node,
        whenFalse: float(whenFalse).node,
      }),
    )
  }
  return {
    node,
    and: (other) => logical('and', other),
    or: (other) => logical('or', other),
    xor: (other) => logical('xor', other),
    not: () => booleanExpression(freeze({ kind: 'not', type: 'boolean', operand: node })),
    select,
  }
}

function isWhole(value: FloatLike): boolean {
  return typeof value === 'number' ? Number.isInteger(value) : value.node.type === 'integer'
}

function comparisons<Like>(node: ExpressionNode, operand: (other: Like) => ExpressionNode) {
  const compare =
    (operation: ComparisonOperation) =>
    (other: Like): BooleanExpression =>
      booleanExpression(
        freeze({
          kind: 'comparison',
          type: 'boolean',
          operation,
          left: node,
          right: operand(other),
        }),
      )
  return {
    eq: compare('equal'),
    ne: compare('notEqual'),
    lt: compare('less'),
    le: compare('lessOrEqual'),
    gt: compare('greater'),
    ge: compare('greaterOrEqual'),
  }
}

/**
 * A coordinate as an integer expression (the `score`, as a float one, is given to score modifiers).
 *
 * @example
 * ```ts
 * import { coordinate, evaluate } from '@attn/core'
 * evaluate(coordinate('query').sub(coordinate('key')), { query: 9, key: 4 }) // => 5
 * ```
 */
export function coordinate(name: Exclude<Coordinate, 'score'>): IntegerExpression {
  return integerExpression(freeze({ kind: 'coordinate', type: 'integer', name }))
}
