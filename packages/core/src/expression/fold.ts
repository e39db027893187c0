// Arithmetic that leaves out what changes nothing: x + 0, x * 1, x * 0 and arithmetic of constants.
// Derivatives are full of these; without them the shader of a backward pass would be too.
import { float, floatExpression } from './expression.ts'
import type { FloatExpression } from './expression.ts'

const constantOf = ({ node }: FloatExpression): number | undefined =>
  node.kind === 'constant' ? node.value : undefined

/** Whether an expression is this constant. */
export function isConstant(expression: FloatExpression, value: number): boolean {
  return constantOf(expression) === value
}

/** The constant that an operation on constants gives, unless it is none (0 / 0). */
function folded(
  operation: (a: number, b: number) => number,
  a: FloatExpression,
  b: FloatExpression,
): FloatExpression | undefined {
  const [x, y] = [constantOf(a), constantOf(b)]
  if (x === undefined || y === undefined) return undefined
  const value = operation(x, y)
  return Number.isNaN(value) ? undefined : float(value)
}

/** a + b. */
export function sum(a: FloatExpression, b: FloatExpression): FloatExpression {
  if (isConstant(a, 0)) return b
  if (isConstant(b, 0)) return a
  return folded((x, y) => x + y, a, b) ?? a.add(b)
}

/** a - b. */
export function difference(a: FloatExpression, b: FloatExpression): FloatExpression {
  if (isConstant(b, 0)) return a
  if (isConstant(a, 0)) return negative(b)
  return folded((x, y) => x - y, a, b) ?? a.sub(b)
}

/** -a. */
export function negative(a: FloatExpression): FloatExpression {
  const value = constantOf(a)
  return value === undefined ? a.neg() : float(-value)
}

/** a b. 0 times anything is 0: a derivative of 0 stands for no dependence, even on an infinity. */
export function product(a: FloatExpression, b: FloatExpression): FloatExpression {
  if (isConstant(a, 0) || isConstant(b, 0)) return float(0)
  if (isConstant(a, 1)) return b
  if (isConstant(b, 1)) return a
  if (isConstant(a, -1)) return negative(b)
  if (isConstant(b, -1)) return negative(a)
  const constant = folded((x, y) => x * y, a, b)
  if (constant) return constant
  if (constantOf(a) !== undefined) return product(b, a)
  // (x c) d = x (c d): softcap's 1 / cap and cap meet this way.
  const [inner, factor] = constantFactor(a)
  return constantOf(b) !== undefined && factor ? product(inner, product(factor, b)) : a.mul(b)
}

/** x and c where the expression is x times the constant c. */
function constantFactor(a: FloatExpression): [FloatExpression, FloatExpression?] {
  const { node } = a
  if (node.kind !== 'arithmetic' || node.operation !== 'multiply') return [a]
  const right = floatExpression(node.right)
  return constantOf(right) === undefined ? [a] : [floatExpression(node.left), right]
}

/** a / b. */
export function quotient(a: FloatExpression, b: FloatExpression): FloatExpression {
  if (isConstant(a, 0)) return float(0)
  if (isConstant(b, 1)) return a
  return folded((x, y) => x / y, a, b) ?? a.div(b)
}
