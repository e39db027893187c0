// Reading 1 of the tree: its value. The tree is turned into closures once, because attention asks
// L x S times; `new Function` would be faster still, but content security policies forbid it.
import { rangeError, typeError } from '../errors.ts'
import { compileGraph } from './compile-graph.ts'
import type {
  ArithmeticOperation,
  ComparisonOperation,
  Coordinate,
  ExpressionNode,
  Relation,
  Table,
  UnaryOperation,
} from './node.ts'

/** Where an expression is evaluated. Coordinates it does not use may be left out. */
export type Point = { [Name in Coordinate]?: number }

/** Values given per call. */
export interface Environment {
  /** Values of parameters by name. */
  readonly parameters?: Readonly<Record<string, number>> | undefined
}

/** A compiled expression. Booleans are 0 or 1. */
export type Evaluator = (point: Point) => number

/**
 * Compiles an expression to a function of the coordinates (float64; booleans as 0 or 1). What the
 * expression uses more than once is evaluated once a call.
 *
 * @throws RangeError when a parameter is missing or outside its range.
 *
 * @example
 * ```ts
 * import { compile, mask } from '@attn/core'
 * const causal = mask('causal', ({ query, key }) => key.le(query))
 * const allows = compile(causal.expression)
 * allows({ query: 3, key: 3 }) // => 1
 * allows({ query: 3, key: 4 }) // => 0
 * ```
 */
export function compile(
  expression: { readonly node: ExpressionNode },
  environment: Environment = {},
): Evaluator {
  return compileGraph<Point, number>(expression.node, (node, inputs) =>
    combine(node, environment, inputs),
  )
}

/**
 * The value of an expression at one point; see {@link compile}.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate } from '@attn/core'
 * evaluate(coordinate('key').mul(3), { key: 4 }) // => 12
 * ```
 */
export function evaluate(
  expression: { readonly node: ExpressionNode },
  point: Point,
  environment: Environment = {},
): number {
  return compile(expression, environment)(point)
}

/**
 * The value a call gives a parameter, checked against its range.
 *
 * @example
 * ```ts
 * import { parameterValue } from '@attn/core'
 * const width = { name: 'width', type: 'integer', minimum: 1, maximum: 64 }
 * parameterValue(width, { parameters: { width: 8 } }) // => 8
 * parameterValue(width, { parameters: { width: 80 } }) // => throws RangeError: parameters: width must be an integer from 1 to 64, got 80
 * ```
 */
export function parameterValue(
  parameter: {
    readonly name: string
    readonly type: string
    readonly minimum: number
    readonly maximum: number
  },
  environment: Environment,
): number {
  const value = environment.parameters?.[parameter.name]
  if (value === undefined) {
    throw rangeError(`parameters: ${parameter.name} is missing`)
  }
  const whole = parameter.type === 'float' || Number.isInteger(value)
  if (!(value >= parameter.minimum && value <= parameter.maximum) || !whole) {
    throw rangeError(
      `parameters: ${parameter.name} must be ${parameter.type === 'integer' ? 'an integer' : 'a number'} from ${parameter.minimum} to ${parameter.maximum}, got ${value}`,
    )
  }
  return value
}

/** Every unary operation on float64 numbers: the definition that all readings agree with. */
export const unaryOperations: Readonly<Record<UnaryOperation, (x: number) => number>> = {
  negate: (x) => -x,
  absolute: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  floor: Math.floor,
  toFloat: (x) => x,
}

/** Every arithmetic operation on float64 numbers. */
export const arithmeticOperations: Readonly<
  Record<ArithmeticOperation, (a: number, b: number) => number>
> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  power: (a, b) => a ** b,
  floorDivide: (a, b) => Math.floor(a / b),
  modulo: (a, b) => a - b * Math.floor(a / b),
  minimum: Math.min,
  maximum: Math.max,
}

/** Every comparison of float64 numbers. */
export const comparisonOperations: Readonly<
  Record<ComparisonOperation, (a: number, b: number) => boolean>
> = {
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  less: (a, b) => a < b,
  lessOrEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterOrEqual: (a, b) => a >= b,
}

function combine(
  node: ExpressionNode,
  environment: Environment,
  inputs: readonly Evaluator[],
): Evaluator {
  const [first, second, third] = inputs as [Evaluator, Evaluator, Evaluator]
  switch (node.kind) {
    case 'constant': {
      const { value } = node
      return () => value
    }
    case 'coordinate': {
      return coordinateReader(node.name)
    }
    case 'parameter': {
      const value = parameterValue(node.parameter, environment)
      return () => value
    }
    case 'unary': {
      const apply = unaryOperations[node.operation]
      return (point) => apply(first(point))
    }
    case 'arithmetic':
      return arithmetic(node.operation, first, second)
    case 'comparison':
      return comparison(node.operation, first, second)
    case 'logical':
      if (node.operation === 'and') return (point) => first(point) && second(point)
      if (node.operation === 'or') return (point) => first(point) || second(point)
      return (point) => (first(point) === second(point) ? 0 : 1)
    case 'not':
      return (point) => 1 - first(point)
    case 'select':
      return (point) => (first(point) ? second(point) : third(point))
    case 'lookup':
      return lookup(node.table, inputs)
    case 'contains': {
      const { relation } = node
      return (point) => (relationContains(relation, first(point), second(point)) ? 1 : 0)
    }
  }
}

// What masks ask most often, and the commonest operations, are spelled out so that the engine can inline them.
function coordinateReader(name: Coordinate): Evaluator {
  if (name === 'query') return (point) => point.query!
  if (name === 'key') return (point) => point.key!
  return (point) => point[name]!
}

function arithmetic(operation: ArithmeticOperation, a: Evaluator, b: Evaluator): Evaluator {
  if (operation === 'add') return (point) => a(point) + b(point)
  if (operation === 'subtract') return (point) => a(point) - b(point)
  if (operation === 'multiply') return (point) => a(point) * b(point)
  if (operation === 'floorDivide') return (point) => Math.floor(a(point) / b(point))
  if (operation === 'modulo') {
    return (point) => {
      const [dividend, divisor] = [a(point), b(point)]
      return dividend - divisor * Math.floor(dividend / divisor)
    }
  }
  const apply = arithmeticOperations[operation]
  return (point) => apply(a(point), b(point))
}

function comparison(operation: ComparisonOperation, a: Evaluator, b: Evaluator): Evaluator {
  if (operation === 'lessOrEqual') return (point) => (a(point) <= b(point) ? 1 : 0)
  if (operation === 'greaterOrEqual') return (point) => (a(point) >= b(point) ? 1 : 0)
  if (operation === 'equal') return (point) => (a(point) === b(point) ? 1 : 0)
  if (operation === 'less') return (point) => (a(point) < b(point) ? 1 : 0)
  const apply = comparisonOperations[operation]
  return (point) => (apply(a(point), b(point)) ? 1 : 0)
}

function lookup(
  table: Pick<Table, 'name' | 'shape' | 'values' | 'elsewhere'>,
  indices: readonly Evaluator[],
): Evaluator {
  const { name, shape, values, elsewhere } = table
  if (elsewhere !== undefined) {
    return () => {
      throw typeError(`${name} lies in ${elsewhere}, where this algorithm cannot read it`)
    }
  }
  return (point) => {
    let flat = 0
    for (let axis = 0; axis < shape.length; axis++) {
      const size = shape[axis]!
      const index = indices[axis]!(point)
      flat = flat * size + (index < 0 ? 0 : index >= size ? size - 1 : index)
    }
    return values[flat]!
  }
}

/** The first place at or after `start` whose member is at least `value`, or `end`. */
export function lowerBound(members: Int32Array, start: number, end: number, value: number): number {
  let low = start
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if (members[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether a relation holds `member` in `row` (clamped to its rows). */
export function relationContains(relation: Relation, row: number, member: number): boolean {
  const { offsets, members } = relation
  const clamped = Math.min(Math.max(row, 0), offsets.length - 2)
  const end = offsets[clamped + 1]!
  const place = lowerBound(members, offsets[clamped]!, end, member)
  return place < end && members[place] === member
}
