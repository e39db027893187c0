// Turns a graph of nodes into closures that evaluate it at one place after another. A subtree that is
// used more than once is evaluated once a place, so the work is that of the graph and not of the tree
// it unfolds to; and what is nested too deep is evaluated first, so the call stack never is.
import { nodesOf } from './graph.ts'
import { operands } from './node.ts'
import type { ExpressionNode } from './node.ts'

/** The value of a node at a place. */
export type Reader<Place, Value> = (place: Place) => Value

/** Shared subtrees of this many nodes cost less to evaluate again than to remember. */
const cheapNodes = 8
/** Calls inside of one another; engines have room for some ten thousand. */
const mostNested = 256

/**
 * Compiles a graph.
 *
 * @param make - The reader of a node from those of its operands.
 */
export function compileGraph<Place, Value>(
  root: ExpressionNode,
  make: (node: ExpressionNode, inputs: readonly Reader<Place, Value>[]) => Reader<Place, Value>,
): Reader<Place, Value> {
  const nodes = nodesOf(root)
  const places = new Map(nodes.map((node, place) => [node, place]))
  const uses = new Uint32Array(nodes.length)
  const heights = new Uint32Array(nodes.length)
  const weights = new Uint32Array(nodes.length)
  const readers: Reader<Place, Value>[] = []
  const inputsOf = nodes.map((node) => operands(node).map((input) => places.get(input)!))
  for (const inputs of inputsOf) for (const input of inputs) uses[input]!++
  const evaluatedFirst: Reader<Place, Value>[] = []
  let turn = 0
  let remembers = false

  /** Evaluates once a turn. */
  const remembered = (read: Reader<Place, Value>): Reader<Place, Value> => {
    remembers = true
    let known = -1
    let value: Value
    return (place) => {
      if (known !== turn) {
        value = read(place)
        known = turn
      }
      return value
    }
  }
  nodes.forEach((node, place) => {
    const inputs = inputsOf[place]!
    let height = 1
    let weight = 1
    for (const input of inputs) {
      height = Math.max(height, heights[input]! + 1)
      weight += weights[input]!
    }
    let read = make(
      node,
      inputs.map((input) => readers[input]!),
    )
    const deep = height > mostNested
    if (deep || (weight > cheapNodes && uses[place]! > 1)) {
      read = remembered(read)
      weight = 1
    }
    if (deep) {
      evaluatedFirst.push(read)
      height = 1
    }
    readers.push(read)
    heights[place] = height
    weights[place] = weight
  })
  const result = readers.at(-1)!
  if (!remembers) return result
  return (place) => {
    turn++
    for (const read of evaluatedFirst) read(place)
    return result(place)
  }
}
