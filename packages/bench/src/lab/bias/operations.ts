// Each operation of expressions on arrays of numbers, and its way back. Where a function has no
// derivative, that of @attn/core's `differentiate` is taken.
import { typeError } from '@attn/core'
import type { ExpressionNode, Table } from '@attn/core'
import type { Slot } from './array-evaluator.ts'

type NodeOf<Kind extends ExpressionNode['kind']> = Extract<ExpressionNode, { kind: Kind }>

const unary: Readonly<Record<NodeOf<'unary'>['operation'], (x: number) => number>> = {
  negate: (x) => -x,
  absolute: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  floor: Math.floor,
  toFloat: (x) => x,
}

/** Derivative of a unary operation at x, where it is y. */
const unarySlope: typeof unary extends Readonly<Record<infer Name extends string, unknown>>
  ? Readonly<Record<Name, (x: number, y: number) => number>>
  : never = {
  negate: () => -1,
  absolute: (x) => Math.sign(x),
  exp: (_, y) => y,
  log: (x) => 1 / x,
  sqrt: (_, y) => 0.5 / y,
  sin: (x) => Math.cos(x),
  cos: (x) => -Math.sin(x),
  tanh: (_, y) => 1 - y * y,
  floor: () => 0,
  toFloat: () => 0,
}

const binary: Readonly<
  Record<
    | NodeOf<'arithmetic'>['operation']
    | NodeOf<'comparison'>['operation']
    | NodeOf<'logical'>['operation'],
    (a: number, b: number) => number
  >
> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  power: (a, b) => a ** b,
  floorDivide: (a, b) => Math.floor(a / b),
  modulo: (a, b) => a - b * Math.floor(a / b),
  minimum: (a, b) => Math.min(a, b),
  maximum: (a, b) => Math.max(a, b),
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  lessOrEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterOrEqual: (a, b) => Number(a >= b),
  and: (a, b) => a && b,
  or: (a, b) => a || b,
  xor: (a, b) => Number(a !== b),
}

type Loop = (into: Float64Array, a: Float64Array, b: Float64Array) => void

/** What networks such as FIRE's are made of, as loops of their own, which call nothing for a number. */
const hotLoops: Readonly<Partial<Record<keyof typeof binary, Loop>>> = {
  add: (into, a, b) => {
    for (let i = 0; i < into.length; i++) into[i] = a[i]! + b[i]!
  },
  multiply: (into, a, b) => {
    for (let i = 0; i < into.length; i++) into[i] = a[i]! * b[i]!
  },
  maximum: (into, a, b) => {
    for (let i = 0; i < into.length; i++) into[i] = Math.max(a[i]!, b[i]!)
  },
}

type Slope = (a: number, b: number, y: number) => number

/** Derivatives of an operation of two numbers by each of them. */
const binarySlopes: Readonly<Record<NodeOf<'arithmetic'>['operation'], readonly [Slope, Slope]>> = {
  add: [() => 1, () => 1],
  subtract: [() => 1, () => -1],
  multiply: [(_, b) => b, (a) => a],
  divide: [(_, b) => 1 / b, (_, b, y) => -y / b],
  power: [(a, b) => (b === 0 ? 0 : b * a ** (b - 1)), (a, _, y) => (a > 0 ? y * Math.log(a) : 0)],
  minimum: [(a, b) => Number(a <= b), (a, b) => Number(!(a <= b))],
  maximum: [(a, b) => Number(a >= b), (a, b) => Number(!(a >= b))],
  floorDivide: [() => 0, () => 0],
  modulo: [() => 0, () => 0],
}

/** Computes the values of a slot from those of its operands. */
export function forwardOf({ node, operands, values }: Slot): void {
  const [first, second, third] = operands.map((operand) => operand.values)
  switch (node.kind) {
    case 'unary': {
      const apply = unary[node.operation]
      for (let i = 0; i < values.length; i++) values[i] = apply(first![i]!)
      return
    }
    case 'arithmetic':
    case 'comparison':
    case 'logical': {
      const fast = hotLoops[node.operation]
      if (fast) return fast(values, first!, second!)
      const apply = binary[node.operation]
      for (let i = 0; i < values.length; i++) values[i] = apply(first![i]!, second![i]!)
      return
    }
    case 'not':
      for (let i = 0; i < values.length; i++) values[i] = 1 - first![i]!
      return
    case 'select':
      for (let i = 0; i < values.length; i++) values[i] = first![i]! ? second![i]! : third![i]!
      return
    case 'lookup':
      // A weight of a network, the same at all pairs.
      if (operands.every((operand) => operand.node.kind === 'constant')) {
        values.fill(values.length > 0 ? node.table.values[entryAt(node.table, operands, 0)]! : 0)
        return
      }
      for (let i = 0; i < values.length; i++) {
        values[i] = node.table.values[entryAt(node.table, operands, i)]!
      }
      return
    case 'contains':
      throw typeError('arrayEvaluator: a score modifier with a relation is not known here')
    case 'constant':
    case 'coordinate':
    case 'parameter':
  }
}

/** Passes the gradient of a slot on to its operands, or to its table. */
export function backwardOf(
  { node, operands, values, gradient }: Slot,
  into: ReadonlyMap<Table, Float64Array>,
): void {
  const [first, second, third] = operands
  const d = gradient!
  switch (node.kind) {
    case 'unary': {
      const slope = unarySlope[node.operation]
      addTo(first!, (i) => d[i]! * slope(first!.values[i]!, values[i]!))
      return
    }
    case 'arithmetic': {
      const slopes = binarySlopes[node.operation]
      for (const [side, operand] of [first!, second!].entries()) {
        const slope = slopes[side]!
        addTo(operand, (i) => d[i]! * slope(first!.values[i]!, second!.values[i]!, values[i]!))
      }
      return
    }
    case 'select':
      addTo(second!, (i) => (first!.values[i] ? d[i]! : 0))
      addTo(third!, (i) => (first!.values[i] ? 0 : d[i]!))
      return
    case 'lookup': {
      const sums = into.get(node.table)
      if (!sums) return
      for (let i = 0; i < d.length; i++) {
        const entry = entryAt(node.table, operands, i)
        sums[entry] = sums[entry]! + d[i]!
      }
      return
    }
    default:
  }
}

function addTo({ gradient }: Slot, change: (index: number) => number): void {
  if (!gradient) return
  for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i]! + change(i)
}

/** Place of an entry, each index clamped to its axis. */
function entryAt({ shape }: Table, operands: readonly Slot[], i: number): number {
  let flat = 0
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis]!
    const index = operands[axis]!.values[i]!
    flat = flat * size + (index < 0 ? 0 : index >= size ? size - 1 : index)
  }
  return flat
}
