// What an expression varies with, and so how often a kernel has to compute it: once a head, once a
// query or key of a tile, or for every pair. Most of a bias (slopes, addresses, distances up to a
// constant) is not the pair's business, and only what is costs time.
import { bottomUp, dependencies } from '@attn/core'
import type { ExpressionNode } from '@attn/core'

/** What a value varies with at most. `head` stands for sequence and head. */
export type Place = 'head' | 'query' | 'key' | 'pair'

/** What an expression varies with. */
export function placeOf(node: ExpressionNode): Place {
  const { coordinates } = dependencies(node)
  const query = coordinates.has('query') || coordinates.has('queryIndex')
  const key = coordinates.has('key')
  if (coordinates.has('score') || (query && key)) return 'pair'
  return query ? 'query' : key ? 'key' : 'head'
}

/** What varies with both. */
export function joinPlaces(places: readonly Place[]): Place {
  const varying = new Set(places.filter((place) => place !== 'head'))
  if (varying.size === 0) return 'head'
  return varying.size === 1 ? [...varying][0]! : 'pair'
}

/** By how much an integer grows from one query, and from one key, to the next. */
export interface Steps {
  readonly query: number
  readonly key: number
}

const still: Steps = { query: 0, key: 0 }
/**
 * The steps of an integer that is the same everywhere but for whole multiples of query and key, such
 * as their distance; undefined for any other.
 */
export const stepsOf: (node: ExpressionNode) => Steps | undefined = bottomUp(
  findSteps,
  new WeakMap<ExpressionNode, Steps | undefined>(),
)

function findSteps(
  node: ExpressionNode,
  [left, right]: readonly (Steps | undefined)[],
): Steps | undefined {
  if (node.type !== 'integer') return undefined
  if (placeOf(node) === 'head') return still
  if (node.kind === 'coordinate') {
    return node.name === 'key' ? { query: 0, key: 1 } : { query: 1, key: 0 }
  }
  if (node.kind === 'unary') {
    return node.operation === 'negate' && left ? combine(still, left, -1) : undefined
  }
  if (node.kind !== 'arithmetic' || !left || !right) return undefined
  if (node.operation === 'add') return combine(left, right, 1)
  if (node.operation === 'subtract') return combine(left, right, -1)
  if (node.operation !== 'multiply') return undefined
  if (node.left.kind === 'constant') return combine(still, right, node.left.value)
  if (node.right.kind === 'constant') return combine(still, left, node.right.value)
  return undefined
}

function combine(left: Steps, right: Steps, factor: number): Steps {
  return { query: left.query + factor * right.query, key: left.key + factor * right.key }
}
