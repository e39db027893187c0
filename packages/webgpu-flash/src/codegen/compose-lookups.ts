// Look-ups of look-ups, made one: where part of an expression depends on the head and on the distance
// between query and key alone, and settles on both sides, its values are written down once in a table
// [heads, distances]. T5's bias (a bucket by distance, then a number by bucket and head) becomes a
// single look-up by distance, whatever its buckets are.
import {
  bottomUp,
  compile,
  dependencies,
  nodesOf,
  operands,
  translations,
  withOperands,
} from '@attn/core'
import type { ExpressionNode, Table } from '@attn/core'
import { placeOf, stepsOf } from './placement.ts'
import { settling } from './settling.ts'

/** The longest table that is made, in distances and in all. */
const mostDistances = 2 ** 14
const mostValues = 2 ** 18

/**
 * The expression with a single look-up for each part that comes down to one. Tables are filled when
 * they are packed, so that packing again sees what training has changed.
 *
 * @param heads - H: how many heads the tables are for.
 */
export function composeLookups(node: ExpressionNode, heads: number): ExpressionNode {
  const done = new Map<ExpressionNode, ExpressionNode>()
  const moves = translations(1)
  let count = 0
  const isComposed = (current: ExpressionNode): boolean => {
    if (done.has(current)) return true
    const composed = compose(current, heads, moves, `byDistance${count}`)
    if (!composed) return false
    count++
    done.set(current, composed)
    return true
  }
  for (const current of nodesOf(node, isComposed)) {
    const inputs = usedOperands(current).map((operand) => done.get(operand) ?? operand)
    done.set(current, withOperands(current, inputs))
  }
  return done.get(node)!
}

/** The operands; where an axis of a table has but one entry, any index will do. */
function usedOperands(node: ExpressionNode): readonly ExpressionNode[] {
  if (node.kind !== 'lookup') return operands(node)
  return node.indices.map((index, axis) => (node.table.shape[axis] === 1 ? zero : index))
}

function compose(
  node: ExpressionNode,
  heads: number,
  moves: (node: ExpressionNode) => number | undefined,
  name: string,
): ExpressionNode | undefined {
  if (!isWorthwhile(node)) return undefined
  const ends = dependsOnPlaces(node) && moves(node) === 0 ? settling(node) : undefined
  if (!ends || ends.low > ends.high) return undefined
  const distances = ends.high - ends.low + 1
  const perHead = dependencies(node).coordinates.has('head')
  const rows = perHead ? heads : 1
  if (distances > mostDistances || rows * distances > mostValues) return undefined
  const table: Table = {
    kind: 'table',
    name,
    type: node.type,
    shape: perHead ? [heads, distances] : [distances],
    get values() {
      return tabulate(node, rows, ends.low, distances)
    },
    trainable: false,
  }
  const distance = offset(subtract(coordinate('query'), coordinate('key')), -ends.low)
  const indices = perHead ? [coordinate('head'), distance] : [distance]
  return { kind: 'lookup', type: node.type, table, indices }
}

/** Whether a table would save anything: a number by more than one look-up, or by one of its own kind. */
function isWorthwhile(node: ExpressionNode): boolean {
  if (node.type === 'boolean' || placeOf(node) !== 'pair') return false
  if (node.kind === 'lookup' && isByDistance(node.indices)) return false
  return looksUpPairs(node)
}

/** Whether a look-up asks for nothing but a distance, beside what is the same for the whole head. */
function isByDistance(indices: readonly ExpressionNode[]): boolean {
  return indices.every((index) => placeOf(index) === 'head' || stepsOf(index) !== undefined)
}

const looksUpPairs = bottomUp<boolean>(
  (node, inputs) =>
    (node.kind === 'lookup' && placeOf(node) === 'pair') || inputs.some((some) => some),
  new WeakMap<ExpressionNode, boolean>(),
)

/** Whether it depends on nothing but the head and places. */
function dependsOnPlaces(node: ExpressionNode): boolean {
  const { coordinates, parameters } = dependencies(node)
  const allowed = new Set(['head', 'query', 'key'])
  return parameters.length === 0 && [...coordinates].every((name) => allowed.has(name))
}

function tabulate(
  node: ExpressionNode,
  heads: number,
  first: number,
  distances: number,
): Float64Array | Int32Array {
  const evaluator = compile({ node })
  const count = heads * distances
  const values = node.type === 'float' ? new Float64Array(count) : new Int32Array(count)
  for (let head = 0; head < heads; head++) {
    for (let index = 0; index < distances; index++) {
      values[head * distances + index] = evaluator({ head, query: first + index, key: 0 })
    }
  }
  return values
}

const coordinate = (name: 'head' | 'query' | 'key'): ExpressionNode => ({
  kind: 'coordinate',
  type: 'integer',
  name,
})

const subtract = (left: ExpressionNode, right: ExpressionNode): ExpressionNode => ({
  kind: 'arithmetic',
  type: 'integer',
  operation: 'subtract',
  left,
  right,
})

const zero: ExpressionNode = { kind: 'constant', type: 'integer', value: 0 }

function offset(node: ExpressionNode, value: number): ExpressionNode {
  const constant: ExpressionNode = { kind: 'constant', type: 'integer', value }
  if (value === 0) return node
  return { kind: 'arithmetic', type: 'integer', operation: 'add', left: node, right: constant }
}
