// A mask as a visitor writes it, `k <= q && q - k < w || k < 4`, read into core's expression. The text may
// come from anyone's link, so it is parsed, never run: what is not named below is an error.
import {
  integer,
  mask,
  type BooleanExpression,
  type IntegerExpression,
  type Mask,
} from '@attn/core'
import { patternOf } from '@attn/masks'
import jsep, { type Expression } from 'jsep'
import { formatTree } from './format-tree.ts'
import { ordersOf } from './orders-of.ts'
import { partsOf } from './tree.ts'

/** A text that was understood. */
export interface ParsedMask {
  /** Names that are neither coordinates nor functions, in the order they appear: the visitor's numbers. */
  readonly numbers: readonly string[]
  /** What stands between the `||` at the top: the parts of the mask, as text. */
  readonly parts: readonly string[]
  /**
   * The mask for these numbers.
   *
   * @throws RangeError or TypeError for numbers that the expression cannot take, such as a divisor of 0.
   */
  readonly build: (values: Readonly<Record<string, number>>) => Mask
}

/** What names stand for besides the visitor's own. */
export const coordinateNames = {
  q: 'position of the query',
  k: 'position of the key',
  h: 'head',
  b: 'sequence of the batch',
  L: 'number of queries',
  S: 'number of keys',
} as const

/** A text longer than this is refused. */
const longest = 1000
const mostNumbers = 8

type Scope = Readonly<Record<string, IntegerExpression>>
type Value =
  | { readonly kind: 'number'; readonly value: IntegerExpression }
  | { readonly kind: 'condition'; readonly value: BooleanExpression }

/**
 * Reads a mask.
 *
 * @throws SyntaxError with what is wrong, in words for the visitor.
 */
export function parseMask(text: string): ParsedMask {
  if (text.length > longest) {
    throw new SyntaxError(`at most ${longest} characters are read, there are ${text.length}`)
  }
  if (text.trim() === '') throw new SyntaxError('write which keys k a query q sees, such as k <= q')
  const tree = parse(text)
  const numbers = namesIn(tree)
  if (numbers.length > mostNumbers) {
    throw new SyntaxError(
      `at most ${mostNumbers} numbers can have names, here are ${numbers.length}`,
    )
  }
  const parts = operandsOf(tree)
  const build = (values: Readonly<Record<string, number>>): Mask => {
    const valueOf = (name: string): number => (Object.hasOwn(values, name) ? values[name]! : 0)
    const own = numbers.map((name) => [name, integer(valueOf(name))] as const)
    const masks = parts.map((part, index) => ({
      ...mask(`part${index + 1}`, ({ query, key, head, batch, queryLength, keyLength }) => {
        const coordinates = { q: query, k: key, h: head, b: batch, L: queryLength, S: keyLength }
        const scope = { ...Object.fromEntries(own), ...coordinates }
        return condition(read(part, scope), 'the mask')
      }),
      orders: ordersOf(part, valueOf),
    }))
    return patternOf('expression', masks)
  }
  // Kinds that do not fit are found now, and not when a number changes.
  build(Object.fromEntries(numbers.map((name) => [name, 1])))
  return { numbers, parts: parts.map(formatTree), build }
}

function parse(text: string): Expression {
  try {
    return jsep(text)
  } catch (error) {
    throw new SyntaxError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

const wordOf = (node: Expression, field: string): string => node[field] as string

/** More parts than this stay together. */
const mostParts = 6

/** What the `||` at the top join. */
function operandsOf(tree: Expression): readonly Expression[] {
  const split = (node: Expression): readonly Expression[] =>
    node['operator'] === '||'
      ? [...split(node['left'] as Expression), ...split(node['right'] as Expression)]
      : [node]
  const parts = split(tree)
  return parts.length > mostParts ? [tree] : parts
}

function namesIn(tree: Expression): string[] {
  const found = new Set<string>()
  const visit = (node: Expression): void => {
    if (node.type === 'Identifier') {
      const name = wordOf(node, 'name')
      if (!/^[a-z][a-z0-9]{0,15}$/i.test(name)) {
        throw new SyntaxError(`names are letters and digits, at most 16, got ${name.slice(0, 20)}`)
      }
      if (!Object.hasOwn(coordinateNames, name)) found.add(name)
    }
    partsOf(node).forEach(visit)
  }
  visit(tree)
  return [...found]
}

const numeric = (value: IntegerExpression): Value => ({ kind: 'number', value })
const logical = (value: BooleanExpression): Value => ({ kind: 'condition', value })

function number(given: Value, of: string): IntegerExpression {
  if (given.kind === 'number') return given.value
  throw new SyntaxError(`${of} needs numbers, got a condition`)
}

function condition(given: Value, of: string): BooleanExpression {
  if (given.kind === 'condition') return given.value
  throw new SyntaxError(`${of} needs conditions such as k <= q, got a number`)
}

function read(node: Expression, scope: Scope): Value {
  const parts = partsOf(node).map((part) => read(part, scope))
  switch (node.type) {
    case 'Identifier':
      return numeric(scope[wordOf(node, 'name')]!)
    case 'Literal':
      return literal(node['value'])
    case 'UnaryExpression':
      return unary(wordOf(node, 'operator'), parts[0]!)
    case 'ConditionalExpression':
      return choice(parts)
    case 'CallExpression':
      return call(node['callee'] as Expression, parts)
    default:
      return binary(wordOf(node, 'operator'), parts[0]!, parts[1]!)
  }
}

function literal(value: unknown): Value {
  if (typeof value === 'boolean') return logical(integer(0).eq(value ? 0 : 1))
  if (typeof value === 'number' && Number.isInteger(value)) return numeric(integer(value))
  throw new SyntaxError(`numbers are whole, got ${JSON.stringify(value)}`)
}

function unary(operator: string, part: Value): Value {
  if (operator === '!') return logical(condition(part, '!').not())
  if (operator === '-') return numeric(number(part, '-').neg())
  if (operator === '+') return numeric(number(part, '+'))
  throw new SyntaxError(`the operator ${operator} has no meaning in a mask`)
}

function choice([test, whenTrue, whenFalse]: readonly Value[]): Value {
  const decides = condition(test!, '?')
  if (whenTrue!.kind === 'number') {
    return numeric(decides.select(whenTrue!.value, number(whenFalse!, ':')))
  }
  const otherwise = condition(whenFalse!, ':')
  return logical(decides.and(whenTrue!.value).or(decides.not().and(otherwise)))
}

function call(callee: Expression, parts: readonly Value[]): Value {
  const name = callee.type === 'Identifier' ? wordOf(callee, 'name') : callee.type
  const values = parts.map((part) => number(part, name))
  if (name === 'abs' && values.length === 1) return numeric(values[0]!.abs())
  if ((name === 'min' || name === 'max') && values.length >= 2) {
    return numeric(values.slice(1).reduce((all, value) => all[name](value), values[0]!))
  }
  throw new SyntaxError(`there are abs(x), min(x, y) and max(x, y), got ${name} of ${parts.length}`)
}

const arithmetic: ReadonlySet<string> = new Set('+ - * / % == != < <= > >='.split(' '))

function binary(operator: string, left: Value, right: Value): Value {
  const conditions = (): [BooleanExpression, BooleanExpression] => [
    condition(left, operator),
    condition(right, operator),
  ]
  if (operator === '&&') return logical(conditions()[0].and(conditions()[1]))
  if (operator === '||') return logical(conditions()[0].or(conditions()[1]))
  if (left.kind === 'condition' && (operator === '==' || operator === '!=')) {
    const [a, b] = conditions()
    return logical(operator === '==' ? a.xor(b).not() : a.xor(b))
  }
  if (!arithmetic.has(operator)) {
    throw new SyntaxError(`the operator ${operator} has no meaning in a mask`)
  }
  const [a, b] = [number(left, operator), number(right, operator)]
  switch (operator) {
    case '+':
      return numeric(a.add(b))
    case '-':
      return numeric(a.sub(b))
    case '*':
      return numeric(a.mul(b))
    case '/':
      return numeric(a.floorDiv(b))
    case '%':
      return numeric(a.mod(b))
    case '==':
      return logical(a.eq(b))
    case '!=':
      return logical(a.ne(b))
    case '<':
      return logical(a.lt(b))
    case '<=':
      return logical(a.le(b))
    case '>':
      return logical(a.gt(b))
    default:
      return logical(a.ge(b))
  }
}
