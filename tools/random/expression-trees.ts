// Random expressions as plain data, for masks and modifiers that no pattern is like. Integers stay small
// and divisors positive, so that every reading of a tree is defined.
import { coordinate, integer, integerTable, relation } from '../../packages/core/src/index.ts'
import type { BooleanExpression, IntegerExpression } from '../../packages/core/src/index.ts'
import type { Chooser } from './chooser.ts'

const places = ['query', 'key', 'head', 'batch', 'queryIndex'] as const

export type IntegerTree =
  | (typeof places)[number]
  | number
  | readonly ['add' | 'subtract' | 'minimum' | 'maximum', IntegerTree, IntegerTree]
  | readonly ['times' | 'modulo' | 'over', IntegerTree, number]
  | readonly ['absolute' | 'lookUp', IntegerTree]
  | readonly ['select', BooleanTree, IntegerTree, IntegerTree]

export type BooleanTree =
  | readonly ['less' | 'lessOrEqual' | 'equal' | 'unequal', IntegerTree, IntegerTree]
  | readonly ['and' | 'or' | 'xor', BooleanTree, BooleanTree]
  | readonly ['not', BooleanTree]
  | readonly ['related', IntegerTree, IntegerTree]

/** Draws an integer. */
export function drawInteger(choose: Chooser, depth: number): IntegerTree {
  if (depth === 0 || choose.chance(0.25)) {
    return choose.chance(0.25) ? choose.integer(-8, 40) : choose.of(places)
  }
  const below = (): IntegerTree => drawInteger(choose, depth - 1)
  switch (choose.integer(0, 5)) {
    case 0:
    case 1:
      return [choose.of(['add', 'subtract', 'minimum', 'maximum'] as const), below(), below()]
    case 2:
    case 3: {
      const operation = choose.of(['times', 'modulo', 'over'] as const)
      return [
        operation,
        below(),
        operation === 'times' ? choose.integer(-3, 3) : choose.small(1, 40),
      ]
    }
    case 4:
      return [choose.of(['absolute', 'lookUp'] as const), below()]
    default:
      return ['select', drawBoolean(choose, depth - 1), below(), below()]
  }
}

/** Draws a truth value. */
export function drawBoolean(choose: Chooser, depth: number): BooleanTree {
  if (depth > 1 && choose.chance(0.6)) {
    const below = (): BooleanTree => drawBoolean(choose, depth - 1)
    return choose.chance(0.15)
      ? ['not', below()]
      : [choose.of(['and', 'or', 'or', 'xor'] as const), below(), below()]
  }
  const deeper = Math.max(0, depth - 1)
  if (choose.chance(0.15))
    return ['related', drawInteger(choose, deeper), drawInteger(choose, deeper)]
  const operation = choose.of(['less', 'lessOrEqual', 'lessOrEqual', 'equal', 'unequal'] as const)
  return [operation, drawInteger(choose, deeper), drawInteger(choose, deeper)]
}

const buckets = integerTable(
  'buckets',
  Array.from({ length: 23 }, (_, i) => Math.floor(9 * Math.sin(i * i))),
)
const neighbours = relation('neighbours', [[1, 2, 5], [], [0, 9, 10, 11], [3, 30], [4, 20, 21]])

/** The expression of an integer. */
export function buildInteger(tree: IntegerTree): IntegerExpression {
  if (typeof tree === 'number') return integer(tree)
  if (typeof tree === 'string') return coordinate(tree)
  switch (tree[0]) {
    case 'add':
      return buildInteger(tree[1]).add(buildInteger(tree[2]))
    case 'subtract':
      return buildInteger(tree[1]).sub(buildInteger(tree[2]))
    case 'minimum':
      return buildInteger(tree[1]).min(buildInteger(tree[2]))
    case 'maximum':
      return buildInteger(tree[1]).max(buildInteger(tree[2]))
    case 'times':
      return buildInteger(tree[1]).mul(tree[2])
    case 'modulo':
      return buildInteger(tree[1]).mod(tree[2])
    case 'over':
      return buildInteger(tree[1]).floorDiv(tree[2])
    case 'absolute':
      return buildInteger(tree[1]).abs()
    case 'lookUp':
      return buckets.at(buildInteger(tree[1]).mod(23))
    case 'select':
      return buildBoolean(tree[1]).select(buildInteger(tree[2]), buildInteger(tree[3]))
  }
}

/** The expression of a truth value. */
export function buildBoolean(tree: BooleanTree): BooleanExpression {
  switch (tree[0]) {
    case 'less':
      return buildInteger(tree[1]).lt(buildInteger(tree[2]))
    case 'lessOrEqual':
      return buildInteger(tree[1]).le(buildInteger(tree[2]))
    case 'equal':
      return buildInteger(tree[1]).eq(buildInteger(tree[2]))
    case 'unequal':
      return buildInteger(tree[1]).ne(buildInteger(tree[2]))
    case 'and':
      return buildBoolean(tree[1]).and(buildBoolean(tree[2]))
    case 'or':
      return buildBoolean(tree[1]).or(buildBoolean(tree[2]))
    case 'xor':
      return buildBoolean(tree[1]).xor(buildBoolean(tree[2]))
    case 'not':
      return buildBoolean(tree[1]).not()
    case 'related':
      return neighbours.contains(buildInteger(tree[1]).mod(5), buildInteger(tree[2]))
  }
}

/** Whether a part of a tree is an expression of a truth value. */
const truths: ReadonlySet<unknown> = new Set([
  'less',
  'lessOrEqual',
  'equal',
  'unequal',
  'and',
  'or',
  'xor',
  'not',
  'related',
])
const isBoolean = (part: unknown): part is BooleanTree => Array.isArray(part) && truths.has(part[0])

/** Smaller trees of the same type: each part in the place of the whole, and each made smaller. */
export function smallerTrees<T extends IntegerTree | BooleanTree>(tree: T): T[] {
  if (!Array.isArray(tree)) return tree === 'key' || tree === 0 ? [] : [0 as T]
  const [operation, ...parts] = tree as unknown as [string, ...(IntegerTree | BooleanTree)[]]
  const wanted = isBoolean(tree)
  const whole = wanted ? [] : ['key', 0]
  const inside = parts.filter((part) => isBoolean(part) === wanted)
  const changed = parts.flatMap((part, index) => {
    if (typeof part === 'number') return []
    return smallerTrees(part).map((smaller) => [operation, ...parts.with(index, smaller)])
  })
  return [...whole, ...inside, ...changed] as T[]
}
