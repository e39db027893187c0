// Tree attention: drafted continuations that share their beginnings, checked in one pass. SpecInfer
// (arXiv 2305.09781), Medusa (arXiv 2401.10774).
import { checkOptions, integerTable, mask, numbersOf, rangeError } from '@attn/core'
import type { IntegerList, IntegerTable, Mask, OptionNames } from '@attn/core'
import { checkInteger } from '../check.ts'
import { patternOf } from '../pattern.ts'
import type { Pattern } from '../pattern.ts'

/** Where the tree stands. */
export interface TreeOptions {
  /**
   * Tokens before the tree, seen causally by one another and by every node. `'before queries'`: the queries of
   * the call are the nodes, and all that lies before them is the prefix, of each sequence its own: drafts over
   * a cache, by one mask however long it is. Default: 0.
   */
  readonly prefixLength?: number | 'before queries' | undefined
}

const treeOptions: OptionNames<TreeOptions> = { prefixLength: true }

/**
 * S_i = {i and its ancestors} for a node i of the tree, besides the whole prefix.
 *
 * Written with the numbers of a depth-first walk: j is an ancestor of i exactly if i is entered while
 * j is open, so the mask needs two integers a node and no table of pairs. Block maps are best when the
 * nodes come in depth-first order.
 *
 * @param parents - The parent of each node, a node listed before, or -1 for a root. Node n stands at
 *   position `prefixLength + n`; positions past the last node are not defined.
 * @throws RangeError for no nodes, or a parent that does not come before its child.
 *
 * @example
 * ```ts
 * import { evaluate } from '@attn/core'
 * import { tree } from '@attn/masks'
 * // 0 ─┬─ 1 ─── 3
 * //    └─ 2 ─── 4
 * const { expression } = tree([-1, 0, 0, 1, 2])
 * const keys = [0, 1, 2, 3, 4]
 * keys.filter((key) => evaluate(expression, { query: 4, key })) // => [0, 2, 4]
 * ```
 */
export function tree(parents: IntegerList, options: TreeOptions = {}): Pattern {
  checkOptions('tree', options, treeOptions)
  const { prefixLength = 0 } = options
  const walk = depthFirstWalk(numbersOf(parents))
  const enter = integerTable('treeEnter', walk.enter)
  const leave = integerTable('treeLeave', walk.leave)
  if (prefixLength === 'before queries') return treeOfQueries(enter, leave)
  checkInteger('tree', 'prefixLength', prefixLength, 0)
  const isNode = prefixLength > 0
  const ancestors = mask('ancestors', ({ query, key }) => {
    const queryNode = isNode ? query.sub(prefixLength) : query
    const keyNode = isNode ? key.sub(prefixLength) : key
    const entered = enter.at(queryNode)
    const open = enter.at(keyNode).le(entered).and(leave.at(keyNode).gt(entered))
    return isNode ? key.ge(prefixLength).and(query.ge(prefixLength)).and(open) : open
  })
  const prefix = (): Mask =>
    mask('prefix', ({ query, key }) => key.le(query).and(key.lt(prefixLength)))
  return patternOf('tree', isNode ? [ancestors, prefix()] : [ancestors])
}

/** The tree whose nodes are the rows of the queries. */
function treeOfQueries(enter: IntegerTable, leave: IntegerTable): Pattern {
  const ancestors = mask('ancestors', ({ query, queryIndex, key }) => {
    const first = query.sub(queryIndex)
    const keyNode = key.sub(first)
    const entered = enter.at(queryIndex)
    const open = enter.at(keyNode).le(entered).and(leave.at(keyNode).gt(entered))
    return key.ge(first).and(key.le(query)).and(open)
  })
  const prefix = mask('prefix', ({ query, queryIndex, key }) => key.lt(query.sub(queryIndex)))
  return patternOf('tree', [ancestors, prefix])
}

/** When a depth-first walk enters each node, and how many it has entered when it leaves it. */
function depthFirstWalk(parents: ArrayLike<number>): { enter: Int32Array; leave: Int32Array } {
  const count = parents.length
  if (count === 0) throw rangeError('tree: need at least one node, got none')
  const sizes = new Int32Array(count).fill(1)
  for (let node = count - 1; node >= 0; node--) {
    const parent = parents[node]!
    if (!Number.isInteger(parent) || parent < -1 || parent >= node) {
      throw rangeError(
        `tree: a parent must come before its child or be -1, got ${parent} at ${node}`,
      )
    }
    if (parent >= 0) sizes[parent]! += sizes[node]!
  }
  const enter = new Int32Array(count)
  const leave = new Int32Array(count)
  const free = new Int32Array(count)
  let freeRoot = 0
  for (let node = 0; node < count; node++) {
    const parent = parents[node]!
    enter[node] = parent < 0 ? freeRoot : free[parent]!
    leave[node] = enter[node]! + sizes[node]!
    free[node] = enter[node]! + 1
    if (parent < 0) freeRoot = leave[node]!
    else free[parent] = leave[node]!
  }
  return { enter, leave }
}
