// Reading 2 of the tree: what values it can take over a rectangle of queries and keys. This is
// abstract interpretation (Cousot and Cousot 1977) over strided intervals: always sound, and tight
// enough that subdividing rectangles finds every empty and every full tile of a mask, where
// FlexAttention (arXiv 2412.05496) evaluates every pair.
import { compileGraph } from './compile-graph.ts'
import { parameterValue } from './evaluate.ts'
import type { Environment } from './evaluate.ts'
import * as floats from './float-interval.ts'
import type {
  ArithmeticOperation,
  ComparisonOperation,
  Coordinate,
  ExpressionNode,
  LogicalOperation,
  UnaryOperation,
  ValueType,
} from './node.ts'
import { relationBounds } from './relation-bounds.ts'
import * as integers from './strided-interval.ts'
import { always, emptyInterval, never, sometimes } from './strided-interval.ts'
import type { MutableInterval, StridedInterval } from './strided-interval.ts'
import { tableBounds } from './table-bounds.ts'

/** The values each coordinate ranges over. A coordinate that is left out may be anything. */
export type Box = { readonly [Name in Coordinate]?: StridedInterval }

/**
 * The values an expression may take over a box. The result is overwritten by the next call, so that
 * planning does not allocate: copy what is to be kept.
 */
export type BoundsEvaluator = (box: Box) => StridedInterval

/** Whether a boolean expression is true on all, none or some of a box. */
export type Truth = 'always' | 'never' | 'sometimes'

/**
 * Compiles an expression to a function from boxes of coordinates to the values it may take there.
 *
 * Sound: no value that {@link evaluate} takes in the box is left out, nor one that a GPU computing in
 * float32 may take. Floats are widened for that by a little more than WGSL's error bounds.
 *
 * @param environment - Parameters that are known. One that is left out ranges over what it was
 *   declared with, so that the result holds for every call.
 * @throws RangeError when a given parameter is outside its range.
 *
 * @example
 * ```ts
 * import { compileBounds, mask, truth } from '@attn/core'
 * const strided = mask('strided', ({ query, key }) => query.sub(key).mod(8).eq(0))
 * const bounds = compileBounds(strided.expression)
 * const every = (low: number, high: number, stride: number) => ({ low, high, stride })
 * truth(bounds({ query: every(0, 63, 1), key: every(0, 63, 1) })) // => 'sometimes'
 * truth(bounds({ query: every(0, 56, 8), key: every(0, 56, 8) })) // => 'always'
 * truth(bounds({ query: every(0, 56, 8), key: every(1, 57, 8) })) // => 'never'
 * ```
 */
export function compileBounds(
  expression: { readonly node: ExpressionNode },
  environment: Environment = {},
): BoundsEvaluator {
  return compileGraph<Box, StridedInterval>(expression.node, (node, inputs) =>
    combine(node, environment, inputs),
  )
}

/**
 * The bounds of a boolean expression in words.
 *
 * @example
 * ```ts
 * import { compileBounds, coordinate, truth } from '@attn/core'
 * const bounds = compileBounds(coordinate('key').lt(8))
 * truth(bounds({ key: { low: 0, high: 7, stride: 1 } })) // => 'always'
 * ```
 */
export function truth(bounds: StridedInterval): Truth {
  if (bounds.low === 1) return 'always'
  return bounds.high === 0 ? 'never' : 'sometimes'
}

function combine(
  node: ExpressionNode,
  environment: Environment,
  inputs: readonly BoundsEvaluator[],
): BoundsEvaluator {
  const [first, second, third] = inputs as [BoundsEvaluator, BoundsEvaluator, BoundsEvaluator]
  switch (node.kind) {
    case 'constant': {
      const { value, type } = node
      const constant =
        type === 'float' ? floats.floatConstant(value) : { low: value, high: value, stride: 0 }
      return () => constant
    }
    case 'coordinate': {
      const { name } = node
      const anything =
        node.type === 'float'
          ? floats.floatRange(-Infinity, Infinity)
          : { low: -(2 ** 31), high: 2 ** 31 - 1, stride: 1 }
      return (box) => box[name] ?? anything
    }
    case 'parameter': {
      const { parameter } = node
      const given = environment.parameters?.[parameter.name] !== undefined
      const low = given ? parameterValue(parameter, environment) : parameter.minimum
      const high = given ? low : parameter.maximum
      const range =
        node.type === 'float'
          ? floats.floatRange(low, high)
          : integers.assign(emptyInterval(), Math.ceil(low), Math.floor(high), 1)
      return () => range
    }
    case 'unary':
      return unary(node.operation, node.operand.type, first)
    case 'arithmetic':
      return arithmetic(node.operation, node.type, first, second)
    case 'comparison':
      return comparison(node.operation, node.left.type, first, second)
    case 'logical':
      return logical(node.operation, first, second)
    case 'not':
      return (box) => complement(first(box))
    case 'select':
      return select(node.type, first, second, third)
    case 'lookup': {
      const range = tableBounds(node.table)
      const indices = inputs.map(() => never)
      const out = emptyInterval()
      const exact = !(node.table.values instanceof Float64Array)
      return (box) => {
        for (let axis = 0; axis < inputs.length; axis++) indices[axis] = inputs[axis]!(box)
        const values = range(out, indices)
        return exact ? values : floats.roundToFloat32(out, values)
      }
    }
    case 'contains': {
      const { relation } = node
      return (box) => relationBounds(relation, first(box), second(box))
    }
  }
}

type Unary = (out: MutableInterval, a: StridedInterval) => StridedInterval
type Binary = (out: MutableInterval, a: StridedInterval, b: StridedInterval) => StridedInterval

const floatUnary: Readonly<Record<Exclude<UnaryOperation, 'toFloat'>, Unary>> = {
  negate: floats.negateFloats,
  absolute: floats.absoluteFloats,
  exp: floats.exponentialOfFloats,
  log: floats.logarithmOfFloats,
  sqrt: floats.squareRootOfFloats,
  sin: floats.sineOfFloats,
  cos: floats.cosineOfFloats,
  tanh: floats.tanhOfFloats,
  floor: floats.floorFloats,
}

function unary(
  operation: UnaryOperation,
  operandType: ValueType,
  operand: BoundsEvaluator,
): BoundsEvaluator {
  const out = emptyInterval()
  let apply: Unary
  if (operation === 'toFloat') apply = floats.toFloats
  else if (operandType === 'float') apply = floatUnary[operation]
  else apply = operation === 'negate' ? integers.negateIntegers : integers.absoluteIntegers
  return (box) => apply(out, operand(box))
}

const integerArithmetic: Readonly<
  Record<Exclude<ArithmeticOperation, 'divide' | 'power'>, Binary>
> = {
  add: integers.addIntegers,
  subtract: integers.subtractIntegers,
  multiply: integers.multiplyIntegers,
  floorDivide: integers.floorDivideIntegers,
  modulo: integers.moduloIntegers,
  minimum: integers.minimumOfIntegers,
  maximum: integers.maximumOfIntegers,
}

const floatArithmetic: Readonly<
  Record<Exclude<ArithmeticOperation, 'floorDivide' | 'modulo'>, Binary>
> = {
  add: floats.addFloats,
  subtract: floats.subtractFloats,
  multiply: floats.multiplyFloats,
  divide: floats.divideFloats,
  power: floats.powerOfFloats,
  minimum: floats.minimumOfFloats,
  maximum: floats.maximumOfFloats,
}

function arithmetic(
  operation: ArithmeticOperation,
  type: ValueType,
  left: BoundsEvaluator,
  right: BoundsEvaluator,
): BoundsEvaluator {
  const out = emptyInterval()
  const table: Readonly<Partial<Record<ArithmeticOperation, Binary>>> =
    type === 'float' ? floatArithmetic : integerArithmetic
  const apply = table[operation]!
  return (box) => apply(out, left(box), right(box))
}

function complement(a: StridedInterval): StridedInterval {
  if (a.low === 1) return never
  return a.high === 0 ? always : sometimes
}

function comparison(
  operation: ComparisonOperation,
  type: ValueType,
  left: BoundsEvaluator,
  right: BoundsEvaluator,
): BoundsEvaluator {
  const equal = type === 'float' ? floats.equalFloats : integers.equalIntegers
  switch (operation) {
    case 'equal':
      return (box) => equal(left(box), right(box))
    case 'notEqual':
      return (box) => complement(equal(left(box), right(box)))
    case 'less':
      return (box) => isLess(left(box), right(box))
    case 'lessOrEqual':
      return (box) => isLessOrEqual(left(box), right(box))
    case 'greater':
      return (box) => isLess(right(box), left(box))
    case 'greaterOrEqual':
      return (box) => isLessOrEqual(right(box), left(box))
  }
}

function isLess(a: StridedInterval, b: StridedInterval): StridedInterval {
  if (a.high < b.low) return always
  return a.low >= b.high ? never : sometimes
}

function isLessOrEqual(a: StridedInterval, b: StridedInterval): StridedInterval {
  if (a.high <= b.low) return always
  return a.low > b.high ? never : sometimes
}

function logical(
  operation: LogicalOperation,
  left: BoundsEvaluator,
  right: BoundsEvaluator,
): BoundsEvaluator {
  if (operation === 'and') {
    return (box) => {
      const a = left(box)
      if (a.high === 0) return never
      const b = right(box)
      return a.low === 1 || b.high === 0 ? b : sometimes
    }
  }
  if (operation === 'or') {
    return (box) => {
      const a = left(box)
      if (a.low === 1) return always
      const b = right(box)
      return a.high === 0 || b.low === 1 ? b : sometimes
    }
  }
  return (box) => {
    const a = left(box)
    if (a.low !== a.high) return sometimes
    const exclude = a.low === 1
    const b = right(box)
    return exclude ? complement(b) : b
  }
}

function select(
  type: ValueType,
  condition: BoundsEvaluator,
  whenTrue: BoundsEvaluator,
  whenFalse: BoundsEvaluator,
): BoundsEvaluator {
  const out = emptyInterval()
  const join = type === 'float' ? floats.joinFloats : integers.joinIntegers
  return (box) => {
    const decided = condition(box)
    if (decided.low === 1) return whenTrue(box)
    if (decided.high === 0) return whenFalse(box)
    return join(out, whenTrue(box), whenFalse(box))
  }
}
