// An expression as a GPU may compute it: in float32, with the errors that WGSL allows each operation
// (WGSL specification, "Accuracy of Concrete Floating Point Expressions") in either direction.
import { operands } from '@attn/core'
import type { Environment, Evaluator, ExpressionNode, Point, UnaryOperation } from '@attn/core'
import {
  arithmeticOperations,
  comparisonOperations,
  parameterValue,
  relationContains,
  unaryOperations,
} from '../../src/expression/evaluate.ts'

// Subnormal numbers may be flushed to zero, and zero itself comes out exact.
const unitInTheLastPlace = (value: number): number =>
  value === 0 ? 0 : 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -126))) - 23)

/** Error allowed to exp(x) or exp2(x) with result y. */
const exponentialError = (x: number, y: number): number =>
  (3 + 2 * Math.abs(x)) * unitInTheLastPlace(y)

/** Error allowed to another unary operation on x with result y. */
const unaryErrors: Partial<Record<UnaryOperation, (x: number, y: number) => number>> = {
  log: (x, y) => (x >= 0.5 && x <= 2 ? 2 ** -21 : 3 * unitInTheLastPlace(y)),
  sqrt: (_, y) => 4 * unitInTheLastPlace(y),
  sin: (x) => (Math.abs(x) <= Math.PI ? 2 ** -11 : 0),
  cos: (x) => (Math.abs(x) <= Math.PI ? 2 ** -11 : 0),
  tanh: () => 1e-5,
}

/** Compiles an expression to its float32 value, off by what is allowed, up or down by turns. */
export function compileFloat32(
  expression: { readonly node: ExpressionNode },
  environment: Environment,
): Evaluator {
  let turn = 0
  const off = (value: number, error: number): number => {
    turn = (turn * 5 + 1) % 16
    const result =
      value +
      (Number.isFinite(value + error) && turn % 3 > 0 ? error * (turn % 3 === 1 ? 1 : -1) : 0)
    return Math.fround(result)
  }
  /** An exponential with its error: units of the smallest numbers reach below 0, but it never does. */
  const offExponential = (value: number, exponent: number): number =>
    Math.max(off(value, exponentialError(exponent, value)), 0)
  const read = (node: ExpressionNode): Evaluator => {
    const readers = operands(node).map(read)
    const values = readers.map(() => 0)
    return (point) => {
      for (let place = 0; place < readers.length; place++) values[place] = readers[place]!(point)
      const value = apply(node, point, values)
      return node.type === 'float' ? Math.fround(value) : value
    }
  }
  const apply = (node: ExpressionNode, point: Point, inputs: readonly number[]): number => {
    const [a, b, c] = inputs as [number, number, number]
    switch (node.kind) {
      case 'constant':
        return node.value
      case 'coordinate':
        return point[node.name]!
      case 'parameter':
        return parameterValue(node.parameter, environment)
      case 'unary': {
        const value = unaryOperations[node.operation](a)
        if (node.operation === 'exp') return offExponential(value, a)
        return off(value, unaryErrors[node.operation]?.(a, value) ?? 0)
      }
      case 'arithmetic': {
        const value = arithmeticOperations[node.operation](a, b)
        if (node.operation === 'divide') return off(value, 2.5 * unitInTheLastPlace(value))
        if (node.operation !== 'power') return value
        const logarithm = Math.log2(a)
        const exponent = b * off(logarithm, unaryErrors.log!(a, logarithm))
        const power = 2 ** exponent
        if (!Number.isFinite(exponent)) return value
        return offExponential(power, exponent)
      }
      case 'comparison':
        return Number(comparisonOperations[node.operation](a, b))
      case 'logical':
        if (node.operation === 'and') return a && b
        if (node.operation === 'or') return a || b
        return Number(a !== b)
      case 'not':
        return 1 - a
      case 'select':
        return a ? b : c
      case 'lookup': {
        const flat = node.table.shape.reduce(
          (place, size, axis) => place * size + Math.min(Math.max(inputs[axis]!, 0), size - 1),
          0,
        )
        return node.table.values[flat]!
      }
      case 'contains':
        return Number(relationContains(node.relation, a, b))
    }
  }
  return read(expression.node)
}
