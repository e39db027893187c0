// Orders of the tokens that an expression suggests: where it takes a distance modulo a stride, tokens of one
// residue may stand together; where it compares the place of a key in every so many, the others may be left
// out. They are proposals: the planner counts whether they help, and refuses those that lose a key.
import type { OrderProposal } from '@attn/core'
import type { Expression } from 'jsep'
import { partsOf } from './tree.ts'

type Values = (name: string) => number

/** Proposals for a tree, each with numbers that are in range. */
export function ordersOf(tree: Expression, values: Values): readonly OrderProposal[] {
  const found: OrderProposal[] = []
  const visit = (node: Expression): void => {
    const stride = strideOf(node, values)
    if (stride !== undefined && stride >= 2) found.push({ kind: 'residues', stride })
    const keys = summaryKeys(node, values)
    if (keys) found.push(keys)
    partsOf(node).forEach(visit)
  }
  visit(tree)
  return found
}

/** The stride by which a node tells queries and keys apart: `(q - k) % stride`, or `q % stride == k % stride`. */
function strideOf(node: Expression, values: Values): number | undefined {
  const [left, right] = partsOf(node)
  if (!left || !right) return undefined
  if (node['operator'] === '%') {
    return isNamed(left, 'q') && isNamed(left, 'k') ? constant(right, values) : undefined
  }
  const strides = [left, right].map((side) =>
    side['operator'] === '%' ? constant(partsOf(side)[1]!, values) : undefined,
  )
  return node['operator'] === '==' && strides[0] === strides[1] ? strides[0] : undefined
}

/** Whether a name stands anywhere below a node. */
function isNamed(node: Expression, name: string): boolean {
  return node.type === 'Identifier'
    ? node['name'] === name
    : partsOf(node).some((part) => isNamed(part, name))
}

/** `k % period >= first` and its likes. */
function summaryKeys(node: Expression, values: Values): OrderProposal | undefined {
  const [left, right] = partsOf(node)
  if (!left || !right || left['operator'] !== '%') return undefined
  const [dividend, divisor] = partsOf(left)
  if (dividend?.type !== 'Identifier' || dividend['name'] !== 'k') return undefined
  const period = constant(divisor!, values)
  const bound = constant(right, values)
  if (period === undefined || bound === undefined || period < 2) return undefined
  const places: Readonly<Record<string, readonly [number, number]>> = {
    '==': [bound, bound + 1],
    '>=': [bound, period],
    '>': [bound + 1, period],
    '<': [0, bound],
    '<=': [0, bound + 1],
  }
  const [first, end] = places[node['operator'] as string] ?? [0, 0]
  if (first < 0 || first >= end || end > period) return undefined
  return { kind: 'periodicKeys', period, first, count: end - first }
}

/** The value of a node without coordinates; undefined for others. */
function constant(node: Expression, values: Values): number | undefined {
  if (node.type === 'Literal') return typeof node['value'] === 'number' ? node['value'] : undefined
  if (node.type === 'Identifier') {
    const name = node['name'] as string
    return 'qkhbLSH'.includes(name) ? undefined : values(name)
  }
  if (node.type !== 'BinaryExpression') return undefined
  const [a, b] = partsOf(node).map((part) => constant(part, values))
  if (a === undefined || b === undefined) return undefined
  if (node['operator'] === '+') return a + b
  if (node['operator'] === '-') return a - b
  return node['operator'] === '*' ? a * b : undefined
}
