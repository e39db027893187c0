// Whether an expression looks the same further along the diagonal. Windows, strides and most patterns
// of the literature depend on distances and on places within a period, so that moving query and key
// by one period changes nothing: a block map then needs only its first rows and columns looked at.
import type { ArithmeticOperation, Coordinate, ExpressionNode, UnaryOperation } from './node.ts'
import { bottomUp } from './graph.ts'

/**
 * By how much the value of an expression changes where `query` and `key` (and the row of the query),
 * or the `slot` of a token order, all grow by `distance`: one number if it is the same everywhere,
 * which is 0 for what does not change, and undefined if it differs from place to place or is not known.
 *
 * @param moving - The coordinates that grow, if others than those.
 *
 * @example
 * ```ts
 * import { coordinate, translation } from '@attn/core'
 * const query = coordinate('query')
 * const key = coordinate('key')
 * translation(query.sub(key).node, 64) // => 0
 * translation(query.floorDiv(16).node, 64) // => 4
 * translation(query.floorDiv(16).node, 24) // => undefined
 * translation(key.lt(4).node, 64) // => undefined
 * ```
 */
export function translation(
  node: ExpressionNode,
  distance: number,
  moving: ReadonlySet<Coordinate> = movesAlong,
): number | undefined {
  return translations(distance, moving)(node)
}

/**
 * The same for many parts of an expression, without looking at what they share again.
 *
 * @example
 * ```ts
 * import { coordinate, translations } from '@attn/core'
 * const moves = translations(64)
 * const distance = coordinate('query').sub(coordinate('key'))
 * moves(distance.node) // => 0
 * moves(coordinate('key').add(1).node) // => 64
 * ```
 */
export function translations(
  distance: number,
  moving: ReadonlySet<Coordinate> = movesAlong,
): (node: ExpressionNode) => number | undefined {
  return bottomUp((current, moves) => {
    const [first, second, third] = moves
    const still = moves.every((move) => move === 0)
    switch (current.kind) {
      case 'coordinate':
        return moving.has(current.name) ? distance : 0
      case 'unary':
        return first === undefined ? undefined : unary(current.operation, first)
      case 'arithmetic':
        return first === undefined || second === undefined || current.type === 'float'
          ? ifStill(still)
          : arithmetic(current.operation, first, second, current.left, current.right)
      case 'comparison':
        return first !== undefined && first === second && current.left.type === 'integer'
          ? 0
          : ifStill(still)
      case 'select':
        return first === 0 && second === third ? second : undefined
      case 'constant':
      case 'parameter':
      case 'logical':
      case 'not':
      case 'lookup':
      case 'contains':
        return ifStill(still)
    }
  })
}

const movesAlong: ReadonlySet<Coordinate> = new Set(['query', 'queryIndex', 'key', 'slot'])

const ifStill = (still: boolean): number | undefined => (still ? 0 : undefined)

function unary(operation: UnaryOperation, move: number): number | undefined {
  if (operation === 'negate') return 0 - move
  return move === 0 ? 0 : undefined
}

function arithmetic(
  operation: ArithmeticOperation,
  first: number,
  second: number,
  left: ExpressionNode,
  right: ExpressionNode,
): number | undefined {
  switch (operation) {
    case 'add':
      return first + second
    case 'subtract':
      return first - second
    case 'minimum':
    case 'maximum':
      return first === second ? first : undefined
    case 'multiply':
      if (left.kind === 'constant') return left.value * second + 0 // + 0: never -0
      if (right.kind === 'constant') return first * right.value + 0
      break
    case 'floorDivide':
      if (right.kind === 'constant' && first % right.value === 0) return first / right.value
      break
    case 'modulo':
      if (right.kind === 'constant' && first % right.value === 0) return 0
      break
    case 'divide':
    case 'power':
      break
  }
  return first === 0 && second === 0 ? 0 : undefined
}
