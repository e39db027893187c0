// The tree itself: what a mask or a score modifier is made of. Plain frozen data, so that every
// reading of it (evaluate, bounds, differentiate, WGSL) is one switch over `kind`, in one file.

/** Type of the value a node stands for. */
export type ValueType = 'integer' | 'float' | 'boolean'

/**
 * What an expression may depend on.
 *
 * - `batch`, `head`: which sequence and which query head.
 * - `query`, `key`: absolute positions. Row i of the query tensor stands at `queryOffset + i`.
 * - `queryIndex`: the row i itself, for tables that are indexed by row.
 * - `queryLength`, `keyLength`, `heads`: sizes of the tensors (L, S, H).
 * - `score`: the score so far (scaled product of query and key); score modifiers only.
 * - `slot`: a place in a token order; token orders only.
 */
export type Coordinate =
  | 'batch'
  | 'head'
  | 'query'
  | 'queryIndex'
  | 'key'
  | 'queryLength'
  | 'keyLength'
  | 'heads'
  | 'score'
  | 'slot'

/** Unary operations on numbers. `floor` yields an integer; `toFloat` takes one. */
export type UnaryOperation =
  'negate' | 'absolute' | 'exp' | 'log' | 'sqrt' | 'sin' | 'cos' | 'tanh' | 'floor' | 'toFloat'

/** Binary operations on two numbers of one type. `divide`, `power` are float; `floorDivide`, `modulo` integer. */
export type ArithmeticOperation =
  | 'add'
  | 'subtract'
  | 'multiply'
  | 'divide'
  | 'power'
  | 'floorDivide'
  | 'modulo'
  | 'minimum'
  | 'maximum'

/** Comparisons of two numbers of one type. */
export type ComparisonOperation =
  'equal' | 'notEqual' | 'less' | 'lessOrEqual' | 'greater' | 'greaterOrEqual'

/** Boolean connectives. */
export type LogicalOperation = 'and' | 'or' | 'xor'

/** A table of numbers or booleans that expressions look values up in. */
export interface Table {
  readonly kind: 'table'
  /** Shown by `explain()` and in shader text. */
  readonly name: string
  readonly type: ValueType
  readonly shape: readonly number[]
  /** Row-major values; booleans are 0 or 1. Empty where they lie `elsewhere`. */
  readonly values: Int32Array | Float32Array | Float64Array | Uint8Array
  /** Whether the backward pass returns a gradient for it. */
  readonly trainable: boolean
  /**
   * Whether its axes are those of a call, `[B, H, L, S]`, each whole or 1, as in a mask that another
   * framework made. Default: false.
   */
  readonly ofCall?: boolean | undefined
  /** Where the values lie if not here, for messages; `values` is then empty. Default: here. */
  readonly elsewhere?: string | undefined
}

/**
 * A sorted list of integers per row, such as the random keys of every query: what a dense table
 * would waste memory on. `bounds` reads it by binary search.
 */
export interface Relation {
  readonly kind: 'relation'
  readonly name: string
  /** Row r holds `members[offsets[r]] .. members[offsets[r + 1] - 1]`, ascending, without repeats. */
  readonly offsets: Int32Array
  readonly members: Int32Array
}

/** A number given with each call rather than baked into the expression. */
export interface Parameter {
  readonly kind: 'parameter'
  readonly name: string
  readonly type: 'integer' | 'float'
  /** Smallest and largest value a call may pass: what block maps are planned for. */
  readonly minimum: number
  readonly maximum: number
}

/** One node of an expression tree. */
export type ExpressionNode =
  | { readonly kind: 'constant'; readonly type: ValueType; readonly value: number }
  | { readonly kind: 'coordinate'; readonly type: ValueType; readonly name: Coordinate }
  | { readonly kind: 'parameter'; readonly type: ValueType; readonly parameter: Parameter }
  | {
      readonly kind: 'unary'
      readonly type: ValueType
      readonly operation: UnaryOperation
      readonly operand: ExpressionNode
    }
  | {
      readonly kind: 'arithmetic'
      readonly type: ValueType
      readonly operation: ArithmeticOperation
      readonly left: ExpressionNode
      readonly right: ExpressionNode
    }
  | {
      readonly kind: 'comparison'
      readonly type: 'boolean'
      readonly operation: ComparisonOperation
      readonly left: ExpressionNode
      readonly right: ExpressionNode
    }
  | {
      readonly kind: 'logical'
      readonly type: 'boolean'
      readonly operation: LogicalOperation
      readonly left: ExpressionNode
      readonly right: ExpressionNode
    }
  | { readonly kind: 'not'; readonly type: 'boolean'; readonly operand: ExpressionNode }
  | {
      readonly kind: 'select'
      readonly type: ValueType
      readonly condition: ExpressionNode
      readonly whenTrue: ExpressionNode
      readonly whenFalse: ExpressionNode
    }
  | {
      readonly kind: 'lookup'
      readonly type: ValueType
      readonly table: Table
      /** One integer an axis; each is clamped to the axis, on every backend. */
      readonly indices: readonly ExpressionNode[]
    }
  | {
      readonly kind: 'contains'
      readonly type: 'boolean'
      readonly relation: Relation
      /** Clamped to the rows there are. */
      readonly row: ExpressionNode
      readonly member: ExpressionNode
    }

/**
 * The direct operands of a node, in evaluation order.
 *
 * @example
 * ```ts
 * import { coordinate, operands } from '@attn/core'
 * operands(coordinate('key').add(2).node).map(({ kind }) => kind) // => ['coordinate', 'constant']
 * ```
 */
export function operands(node: ExpressionNode): readonly ExpressionNode[] {
  switch (node.kind) {
    case 'constant':
    case 'coordinate':
    case 'parameter':
      return []
    case 'unary':
    case 'not':
      return [node.operand]
    case 'arithmetic':
    case 'comparison':
    case 'logical':
      return [node.left, node.right]
    case 'select':
      return [node.condition, node.whenTrue, node.whenFalse]
    case 'lookup':
      return node.indices
    case 'contains':
      return [node.row, node.member]
  }
}
