// What expressions offer: methods instead of operators, by the type of the value.
import type { ExpressionNode } from './node.ts'

/** An integer, or what becomes one: a whole JavaScript number. */
export type IntegerLike = IntegerExpression | number
/** A float, or what becomes one: any number, or an integer expression. */
export type FloatLike = FloatExpression | IntegerExpression | number
/** A boolean expression or constant. */
export type BooleanLike = BooleanExpression | boolean

/** An integer between -2^31 and 2^31 - 1 (the GPU's i32; leaving the range is undefined). */
export interface IntegerExpression {
  readonly node: ExpressionNode
  add(other: IntegerLike): IntegerExpression
  sub(other: IntegerLike): IntegerExpression
  mul(other: IntegerLike): IntegerExpression
  /** Quotient rounded towards -Infinity. The divisor must be positive. */
  floorDiv(divisor: IntegerLike): IntegerExpression
  /** Remainder in `0 .. divisor - 1`, also of negative numbers. The divisor must be positive. */
  mod(divisor: IntegerLike): IntegerExpression
  min(other: IntegerLike): IntegerExpression
  max(other: IntegerLike): IntegerExpression
  neg(): IntegerExpression
  abs(): IntegerExpression
  eq(other: IntegerLike): BooleanExpression
  ne(other: IntegerLike): BooleanExpression
  lt(other: IntegerLike): BooleanExpression
  le(other: IntegerLike): BooleanExpression
  gt(other: IntegerLike): BooleanExpression
  ge(other: IntegerLike): BooleanExpression
  toFloat(): FloatExpression
}

/** A float: float64 on the CPU, float32 on the GPU. */
export interface FloatExpression {
  readonly node: ExpressionNode
  add(other: FloatLike): FloatExpression
  sub(other: FloatLike): FloatExpression
  mul(other: FloatLike): FloatExpression
  div(other: FloatLike): FloatExpression
  /** This to a power. The base must not be negative. */
  pow(exponent: FloatLike): FloatExpression
  min(other: FloatLike): FloatExpression
  max(other: FloatLike): FloatExpression
  neg(): FloatExpression
  abs(): FloatExpression
  exp(): FloatExpression
  /** Natural logarithm. */
  log(): FloatExpression
  sqrt(): FloatExpression
  sin(): FloatExpression
  cos(): FloatExpression
  tanh(): FloatExpression
  /** The integer just at or below. */
  floor(): IntegerExpression
  eq(other: FloatLike): BooleanExpression
  ne(other: FloatLike): BooleanExpression
  lt(other: FloatLike): BooleanExpression
  le(other: FloatLike): BooleanExpression
  gt(other: FloatLike): BooleanExpression
  ge(other: FloatLike): BooleanExpression
}

/** A truth value. */
export interface BooleanExpression {
  readonly node: ExpressionNode
  and(other: BooleanLike): BooleanExpression
  or(other: BooleanLike): BooleanExpression
  xor(other: BooleanLike): BooleanExpression
  not(): BooleanExpression
  /** One of two numbers; if either is a float, both are. */
  select(whenTrue: IntegerLike, whenFalse: IntegerLike): IntegerExpression
  select(whenTrue: FloatLike, whenFalse: FloatLike): FloatExpression
}
