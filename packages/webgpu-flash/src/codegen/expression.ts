// Reading 4 of the expression tree: WGSL text. One function per expression; shared subtrees become
// one `let` each, so the text a reviewer sees has every value once and by order of use. So do parts of
// what is nested deep, since shader compilers refuse some hundred levels.
import { nodesOf, operands, typeError, usesOf } from '@attn/core'
import type {
  ArithmeticOperation,
  ComparisonOperation,
  Coordinate,
  ExpressionNode,
  UnaryOperation,
  ValueType,
} from '@attn/core'
import { constantValue, isConstant } from './constant-value.ts'
import type { DataLayout } from './data-layout.ts'
import { helperFunctions } from './helpers.ts'
import type { HelperName } from './helpers.ts'

/** A WGSL function made of an expression, with the helper functions its text calls. */
export interface ExpressionFunction {
  readonly code: string
  readonly helpers: ReadonlySet<HelperName>
}

/** The WGSL type of a value. */
export const wgslType: Readonly<Record<ValueType, string>> = {
  integer: 'i32',
  float: 'f32',
  boolean: 'bool',
}

/** The arguments every generated function takes, after the score where there is one. */
export const coordinateArguments: readonly Coordinate[] = [
  'batch',
  'head',
  'query',
  'queryIndex',
  'key',
]

/** How WGSL names a coordinate: arguments by their own name, sizes from the uniform block. */
function coordinateText(name: Coordinate): string {
  if (name === 'queryLength' || name === 'keyLength' || name === 'heads')
    return `i32(params.${name})`
  if (name === 'score' || coordinateArguments.includes(name)) return name
  throw typeError(`webgpu-flash: ${name} has no meaning in a mask or score modifier`)
}

/**
 * WGSL for `fn name(...) -> type` computing the expression.
 *
 * @param takesScore - Whether the first argument is `score: f32` (score modifiers).
 * @param takes - The coordinates it takes. Default: all of a pair.
 */
export function expressionFunction(
  name: string,
  node: ExpressionNode,
  layout: DataLayout,
  takesScore: boolean,
  takes: readonly Coordinate[] = coordinateArguments,
): ExpressionFunction {
  const helpers = new Set<HelperName>()
  const statements: string[] = []
  const texts = new Map<ExpressionNode, string>()
  const textOf = (operand: ExpressionNode): string =>
    texts.get(operand) ?? nodeText(operand, textOf, layout, helpers)
  const uses = usesOf(node)
  const cut = nodesToCutAt(node, isConstant)
  for (const current of nodesOf(node, isConstant)) {
    const value = nodeText(current, textOf, layout, helpers)
    // Leaves are as short as a name would be.
    const shared = uses.get(current)! > 1 && operands(current).length > 0
    if (shared || cut.has(current)) {
      const variable = `v${statements.length}`
      statements.push(`  let ${variable} = ${value};`)
      texts.set(current, variable)
    } else {
      texts.set(current, value)
    }
  }
  const result = textOf(node)
  const parameters = [
    ...(takesScore ? ['score: f32'] : []),
    ...takes.map((argument) => `${argument}: i32`),
  ]
  const code = [
    `fn ${name}(${parameters.join(', ')}) -> ${wgslType[node.type]} {`,
    ...statements,
    `  return ${result};`,
    '}',
  ].join('\n')
  return { code, helpers }
}

/** Nested deeper than this, text is cut into statements; compilers take some hundred levels. */
const mostNested = 32

/**
 * One node out of every so many that are nested in one another, operands first: with a name for each of
 * them no text is nested deep.
 *
 * @param leftOut - Nodes that the text does not look into.
 */
export function nodesToCutAt(
  root: ExpressionNode,
  leftOut: (node: ExpressionNode) => boolean,
): Set<ExpressionNode> {
  const cut = new Set<ExpressionNode>()
  const heights = new Map<ExpressionNode, number>()
  for (const node of nodesOf(root, leftOut)) {
    let height = 1
    for (const input of operands(node)) height = Math.max(height, (heights.get(input) ?? 0) + 1)
    if (height > mostNested) cut.add(node)
    heights.set(node, height > mostNested ? 0 : height)
  }
  return cut
}

const comparisonText: Readonly<Record<ComparisonOperation, string>> = {
  equal: '==',
  notEqual: '!=',
  less: '<',
  lessOrEqual: '<=',
  greater: '>',
  greaterOrEqual: '>=',
}

const infixText: Partial<Record<ArithmeticOperation, string>> = {
  add: '+',
  subtract: '-',
  multiply: '*',
  divide: '/',
}

const functionText: Partial<Record<ArithmeticOperation | UnaryOperation, string>> = {
  minimum: 'min',
  maximum: 'max',
  power: 'pow',
  absolute: 'abs',
  exp: 'exp',
  log: 'log',
  sqrt: 'sqrt',
  sin: 'sin',
  cos: 'cos',
  toFloat: 'f32',
}

/** The text of one node, given the texts of its operands. */
export function nodeText(
  node: ExpressionNode,
  text: (node: ExpressionNode) => string,
  layout: DataLayout,
  helpers: Set<HelperName>,
): string {
  const constant = constantValue(node)
  if (constant !== undefined) return constantText(constant, node.type, helpers)
  switch (node.kind) {
    case 'constant':
      return constantText(node.value, node.type, helpers)
    case 'coordinate':
      return coordinateText(node.name)
    case 'parameter':
      return layout.parameterText(node.parameter)
    case 'unary': {
      const operand = text(node.operand)
      if (node.operation === 'negate') return `(-${operand})`
      if (node.operation === 'floor') return `i32(floor(${operand}))`
      if (node.operation === 'tanh') {
        helpers.add('boundedTanh')
        return `boundedTanh(${operand})`
      }
      return `${functionText[node.operation]!}(${operand})`
    }
    case 'arithmetic':
      return arithmeticText(node.operation, node.right, text(node.left), text(node.right), helpers)
    case 'comparison':
      return `(${text(node.left)} ${comparisonText[node.operation]} ${text(node.right)})`
    case 'logical': {
      // Both sides are asked: what asks the second one only after the first is a branch, of which pairs would have
      // so many that drivers took up to half of their time to compile them.
      const operator = { and: '&', or: '|', xor: '!=' }[node.operation]
      return `(${text(node.left)} ${operator} ${text(node.right)})`
    }
    case 'not':
      return `!${text(node.operand)}`
    case 'select':
      return `select(${text(node.whenFalse)}, ${text(node.whenTrue)}, ${text(node.condition)})`
    case 'lookup':
      return layout.lookupText(node.table, node.indices.map(text), helpers)
    case 'contains':
      return layout.containsText(node.relation, text(node.row), text(node.member), helpers)
  }
}

function arithmeticText(
  operation: ArithmeticOperation,
  right: ExpressionNode,
  leftText: string,
  rightText: string,
  helpers: Set<HelperName>,
): string {
  const infix = infixText[operation]
  if (infix) return `(${leftText} ${infix} ${rightText})`
  if (operation === 'power' && !((constantValue(right) ?? 0) > 0)) {
    helpers.add('powerOf')
    return `powerOf(${leftText}, ${rightText})`
  }
  if (right.type === 'float' && (operation === 'minimum' || operation === 'maximum')) {
    const helper = operation === 'minimum' ? 'floatMinimum' : 'floatMaximum'
    helpers.add(helper)
    return `${helper}(${leftText}, ${rightText})`
  }
  const simple = functionText[operation]
  if (simple) return `${simple}(${leftText}, ${rightText})`
  // Floored division. By a power of two it is a shift (arithmetic, so right for negatives too).
  const power = right.kind === 'constant' ? Math.log2(right.value) : Number.NaN
  if (Number.isInteger(power)) {
    return operation === 'floorDivide'
      ? `(${leftText} >> ${power}u)`
      : `(${leftText} & ${2 ** power - 1})`
  }
  helpers.add('floorModulo')
  if (operation === 'modulo') return `floorModulo(${leftText}, ${rightText})`
  helpers.add('floorDivide')
  return `floorDivide(${leftText}, ${rightText})`
}

/** The largest finite float32. */
const largestFloat = 3.4028234663852886e38

/** A literal of the value, floats rounded to float32; of infinities, for which WGSL has none, a call. */
export function constantText(value: number, type: ValueType, helpers: Set<HelperName>): string {
  if (type === 'boolean') return value ? 'true' : 'false'
  if (type === 'integer') return value < 0 ? `i32(${value})` : `${value}`
  if (!Number.isFinite(value)) {
    helpers.add('negativeInfinity')
    return value < 0 ? 'negativeInfinity()' : '(-negativeInfinity())'
  }
  const clamped = Math.fround(Math.min(Math.max(value, -largestFloat), largestFloat))
  const digits = `${clamped}`
  const literal = /[.e]/.test(digits) ? `${digits}f` : `${digits}.0f`
  return clamped < 0 ? `(${literal})` : literal
}

/** The WGSL of all helpers asked for, each once. */
export function helperText(helpers: Iterable<HelperName>): string {
  const wanted = new Set(helpers)
  return (Object.keys(helperFunctions) as HelperName[])
    .filter((name) => wanted.has(name))
    .map((name) => helperFunctions[name])
    .join('\n\n')
}
