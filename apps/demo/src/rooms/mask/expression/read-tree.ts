// A tree in core's expressions. Masks are made of whole numbers and conditions; score modifiers have real numbers besides,
// and functions of them.
import {
  float,
  integer,
  type BooleanExpression,
  type Coordinates,
  type FloatExpression,
  type IntegerExpression,
} from '@attn/core'
import type { Expression } from 'jsep'
import type { coordinateNames } from './parse-text.ts'
import { partsOf } from './tree.ts'

export type Value =
  | { readonly kind: 'whole'; readonly value: IntegerExpression }
  | { readonly kind: 'real'; readonly value: FloatExpression }
  | { readonly kind: 'condition'; readonly value: BooleanExpression }

/** What names stand for, and whether numbers may be real. */
export interface Scope {
  readonly names: Readonly<Record<string, Value>>
  /** In a mask they may not, and / rounds down. */
  readonly reals: boolean
}

export const whole = (value: IntegerExpression): Value => ({ kind: 'whole', value })
export const real = (value: FloatExpression): Value => ({ kind: 'real', value })
const logical = (value: BooleanExpression): Value => ({ kind: 'condition', value })

/** The coordinates of a pair by the names of `coordinateNames`. */
export function coordinateValues({
  query,
  key,
  head,
  batch,
  queryLength,
  keyLength,
  heads,
}: Coordinates): Readonly<Record<keyof typeof coordinateNames, Value>> {
  return {
    q: whole(query),
    k: whole(key),
    h: whole(head),
    b: whole(batch),
    L: whole(queryLength),
    S: whole(keyLength),
    H: whole(heads),
  }
}

/** @throws SyntaxError for what has no meaning here, in words for the visitor. */
export function readTree(node: Expression, scope: Scope): Value {
  const parts = partsOf(node).map((part) => readTree(part, scope))
  switch (node.type) {
    case 'Identifier':
      return scope.names[node['name'] as string]!
    case 'Literal':
      return literal(node['value'], scope)
    case 'UnaryExpression':
      return unary(node['operator'] as string, parts[0]!)
    case 'ConditionalExpression':
      return choice(parts)
    case 'CallExpression':
      return call(node['callee'] as Expression, parts, scope)
    default:
      return binary(node['operator'] as string, parts[0]!, parts[1]!, scope)
  }
}

export function conditionOf(given: Value, of: string): BooleanExpression {
  if (given.kind === 'condition') return given.value
  throw new SyntaxError(`${of} needs conditions such as k <= q, got a number`)
}

export function realOf(given: Value, of: string): FloatExpression {
  if (given.kind === 'real') return given.value
  if (given.kind === 'whole') return given.value.toFloat()
  throw new SyntaxError(`${of} needs numbers, got a condition`)
}

function wholeOf(given: Value, of: string): IntegerExpression {
  if (given.kind === 'whole') return given.value
  if (given.kind === 'real') throw new SyntaxError(`${of} needs whole numbers; floor(x) is one`)
  throw new SyntaxError(`${of} needs numbers, got a condition`)
}

/** Both as whole numbers, where both are. */
function bothWhole(a: Value, b: Value): [IntegerExpression, IntegerExpression] | undefined {
  return a.kind === 'whole' && b.kind === 'whole' ? [a.value, b.value] : undefined
}

function literal(value: unknown, { reals }: Scope): Value {
  if (typeof value === 'boolean') return logical(integer(0).eq(value ? 0 : 1))
  if (typeof value === 'number' && Number.isInteger(value)) return whole(integer(value))
  if (typeof value === 'number' && reals) return real(float(value))
  throw new SyntaxError(
    `${reals ? 'there are numbers, true and false' : 'numbers are whole'}, got ${JSON.stringify(value)}`,
  )
}

function unary(operator: string, part: Value): Value {
  if (operator === '!') return logical(conditionOf(part, '!').not())
  if (operator === '-') {
    return part.kind === 'real' ? real(part.value.neg()) : whole(wholeOf(part, '-').neg())
  }
  if (operator === '+') return part.kind === 'real' ? part : whole(wholeOf(part, '+'))
  throw new SyntaxError(`the operator ${operator} has no meaning here`)
}

function choice([test, whenTrue, whenFalse]: readonly Value[]): Value {
  const decides = conditionOf(test!, '?')
  if (whenTrue?.kind === 'condition') {
    const otherwise = conditionOf(whenFalse!, ':')
    return logical(decides.and(whenTrue.value).or(decides.not().and(otherwise)))
  }
  const numbers = bothWhole(whenTrue!, whenFalse!)
  return numbers
    ? whole(decides.select(...numbers))
    : real(decides.select(realOf(whenTrue!, '?'), realOf(whenFalse!, ':')))
}

const functionsOfReals = new Set(['exp', 'log', 'sqrt', 'sin', 'cos', 'tanh'] as const)
type FunctionOfReals = typeof functionsOfReals extends Set<infer Name> ? Name : never

function call(callee: Expression, parts: readonly Value[], { reals }: Scope): Value {
  const name = callee.type === 'Identifier' ? (callee['name'] as string) : callee.type
  const [first, ...others] = parts
  if (first && (name === 'min' || name === 'max') && others.length > 0) {
    return others.reduce((all, value) => {
      const numbers = bothWhole(all, value)
      return numbers
        ? whole(numbers[0][name](numbers[1]))
        : real(realOf(all, name)[name](realOf(value, name)))
    }, first)
  }
  if (first && others.length === 0) {
    if (name === 'abs') {
      return first.kind === 'real' ? real(first.value.abs()) : whole(wholeOf(first, name).abs())
    }
    if (reals && name === 'floor') return whole(realOf(first, name).floor())
    if (reals && functionsOfReals.has(name as FunctionOfReals)) {
      return real(realOf(first, name)[name as FunctionOfReals]())
    }
  }
  if (reals && first && name === 'pow' && others.length === 1) {
    return real(realOf(first, name).pow(realOf(others[0]!, name)))
  }
  const more = reals ? `, pow(x, y), floor(x), ${[...functionsOfReals].join('(x), ')}(x)` : ''
  throw new SyntaxError(
    `there are abs(x), min(x, y) and max(x, y)${more}, got ${name} of ${parts.length}`,
  )
}

const comparisons = {
  '==': 'eq',
  '!=': 'ne',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
} as const
const sums = { '+': 'add', '-': 'sub', '*': 'mul' } as const

function binary(operator: string, left: Value, right: Value, { reals }: Scope): Value {
  const numbers = bothWhole(left, right)
  if (operator === '&&' || operator === '||') {
    const [a, b] = [conditionOf(left, operator), conditionOf(right, operator)]
    return logical(operator === '&&' ? a.and(b) : a.or(b))
  }
  if (left.kind === 'condition' && (operator === '==' || operator === '!=')) {
    const differs = left.value.xor(conditionOf(right, operator))
    return logical(operator === '==' ? differs.not() : differs)
  }
  if (Object.hasOwn(comparisons, operator)) {
    const method = comparisons[operator as keyof typeof comparisons]
    return logical(
      numbers
        ? numbers[0][method](numbers[1])
        : realOf(left, operator)[method](realOf(right, operator)),
    )
  }
  if (Object.hasOwn(sums, operator)) {
    const method = sums[operator as keyof typeof sums]
    return numbers
      ? whole(numbers[0][method](numbers[1]))
      : real(realOf(left, operator)[method](realOf(right, operator)))
  }
  if (operator === '/' && reals) return real(realOf(left, '/').div(realOf(right, '/')))
  if (operator === '/') return whole(wholeOf(left, '/').floorDiv(wholeOf(right, '/')))
  if (operator === '%') return whole(wholeOf(left, '%').mod(wholeOf(right, '%')))
  throw new SyntaxError(`the operator ${operator} has no meaning here`)
}
