// What an expression reads: coordinates, parameters, tables. Asked at every node of a mask by planners,
// so what a node reads is found once, from what its operands read, and shared wherever it is the same.
import { nodesOf } from './graph.ts'
import { operands } from './node.ts'
import type { Coordinate, ExpressionNode, Parameter, Relation, Table } from './node.ts'

/** What an expression reads besides constants; each thing once, in first-use order. */
export interface Dependencies {
  readonly coordinates: ReadonlySet<Coordinate>
  readonly parameters: readonly Parameter[]
  readonly tables: readonly Table[]
  readonly relations: readonly Relation[]
}

const nothing: Dependencies = {
  coordinates: new Set(),
  parameters: [],
  tables: [],
  relations: [],
}
const cached = new WeakMap<ExpressionNode, Dependencies>()

/**
 * Everything an expression depends on.
 *
 * @example
 * ```ts
 * import { dependencies, mask } from '@attn/core'
 * const { expression } = mask('causal', ({ query, key }) => key.le(query))
 * Array.from(dependencies(expression.node).coordinates) // => ['key', 'query']
 * ```
 */
export function dependencies(node: ExpressionNode): Dependencies {
  const found = cached.get(node)
  if (found) return found
  for (const each of nodesOf(node, (known) => cached.has(known))) {
    const inputs = operands(each).map((input) => cached.get(input)!)
    cached.set(each, inputs.reduce(joined, own(each)))
  }
  return cached.get(node)!
}

/** What a node reads by itself. */
function own(node: ExpressionNode): Dependencies {
  switch (node.kind) {
    case 'coordinate':
      return { ...nothing, coordinates: new Set([node.name]) }
    case 'parameter':
      return { ...nothing, parameters: [node.parameter] }
    case 'lookup':
      return { ...nothing, tables: [node.table] }
    case 'contains':
      return { ...nothing, relations: [node.relation] }
    default:
      return nothing
  }
}

function joined(first: Dependencies, second: Dependencies): Dependencies {
  if (first === nothing || covers(second, first)) return second
  if (covers(first, second)) return first
  return {
    coordinates: new Set([...first.coordinates, ...second.coordinates]),
    parameters: union(first.parameters, second.parameters),
    tables: union(first.tables, second.tables),
    relations: union(first.relations, second.relations),
  }
}

const union = <Thing>(first: readonly Thing[], second: readonly Thing[]): readonly Thing[] => [
  ...new Set([...first, ...second]),
]

/** Whether the one has all that the other has, without a thought for order where there is none. */
function covers(all: Dependencies, part: Dependencies): boolean {
  if (part === all || part === nothing) return true
  return (
    [...part.coordinates].every((name) => all.coordinates.has(name)) &&
    begins(all.parameters, part.parameters) &&
    begins(all.tables, part.tables) &&
    begins(all.relations, part.relations)
  )
}

/** Whether a list begins with the things of another, so that first use comes in the same order. */
function begins<Thing>(list: readonly Thing[], start: readonly Thing[]): boolean {
  return start.every((thing, place) => list[place] === thing)
}
