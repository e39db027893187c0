// Values that expressions look up: tables, sorted relations and per-call parameters. A table can be
// a few integers (buckets), trainable numbers (T5's bias), or a whole mask another framework made.
import { rangeError, shapeError } from '../errors.ts'
import { numbersOf } from '../integer-list.ts'
import type { IntegerList } from '../integer-list.ts'
import { checkOptions } from '../check-options.ts'
import type { OptionNames } from '../check-options.ts'
import { booleanExpression, floatExpression, integer, integerExpression } from './expression.ts'
import type {
  BooleanExpression,
  FloatExpression,
  IntegerExpression,
  IntegerLike,
} from './expression.ts'
import type { ExpressionNode, Parameter, Relation, Table } from './node.ts'

/** A table of integers. `at` clamps each index to its axis. */
export interface IntegerTable {
  readonly table: Table
  at(...indices: IntegerLike[]): IntegerExpression
}

/** A table of floats. `at` clamps each index to its axis. */
export interface FloatTable {
  readonly table: Table
  at(...indices: IntegerLike[]): FloatExpression
}

/** A table of booleans. `at` clamps each index to its axis. */
export interface BooleanTable {
  readonly table: Table
  at(...indices: IntegerLike[]): BooleanExpression
}

const namePattern = /^[A-Za-z][A-Za-z0-9]*$/

/** Names reach shader text and messages, so only letters and digits are let in. */
export function checkName(caller: string, name: string): void {
  if (typeof name !== 'string' || !namePattern.test(name) || name.length > 64) {
    throw rangeError(
      `${caller}: a name must be at most 64 letters and digits and begin with a letter, got ${JSON.stringify(name)}`,
    )
  }
}

function checkTable(caller: string, name: string, length: number, shape: readonly number[]): void {
  checkName(caller, name)
  const count = shape.reduce((product, size) => product * size, 1)
  if (
    shape.length === 0 ||
    shape.some((size) => !Number.isInteger(size) || size < 1) ||
    count !== length
  ) {
    throw shapeError(
      `${caller}: shape [${shape.join(', ')}] does not fit ${length} values; every axis needs at least 1`,
    )
  }
}

/** The node of a look-up; indices are clamped where it is read. */
export function tableLookup(table: Table, indices: readonly IntegerLike[]): ExpressionNode {
  if (indices.length !== table.shape.length) {
    throw shapeError(
      `${table.name}.at: need ${table.shape.length} indices for shape [${table.shape.join(', ')}], got ${indices.length}`,
    )
  }
  return Object.freeze({
    kind: 'lookup',
    type: table.type,
    table,
    indices: indices.map((index) => integer(index).node),
  })
}

/**
 * A table of integers for expressions to look up.
 *
 * @throws RangeError when the shape does not fit, or a value is not a 32-bit integer.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate, integerTable } from '@attn/core'
 * const documents = integerTable('documents', [0, 0, 1, 1])
 * evaluate(documents.at(coordinate('key')), { key: 2 }) // => 1
 * ```
 */
export function integerTable(
  name: string,
  list: IntegerList,
  shape: readonly number[] = [list.length],
): IntegerTable {
  const values = numbersOf(list)
  checkTable('integerTable', name, values.length, shape)
  const stored = values instanceof Int32Array ? values.slice() : Int32Array.from(values)
  for (let i = 0; i < stored.length; i++) {
    if (stored[i] !== values[i]) {
      throw rangeError(`integerTable: need 32-bit integers, got ${values[i]} at ${i}`)
    }
  }
  const table: Table = {
    kind: 'table',
    name,
    type: 'integer',
    shape: [...shape],
    values: stored,
    trainable: false,
  }
  return { table, at: (...indices) => integerExpression(tableLookup(table, indices)) }
}

/** How a float table takes part in training. */
export interface FloatTableOptions {
  /** Whether the backward pass returns its gradient. Default: false. */
  readonly trainable?: boolean | undefined
}

const floatTableOptions: OptionNames<FloatTableOptions> = { trainable: true }

/**
 * A table of floats. A Float32Array or Float64Array is kept, not copied, so that later changes to a
 * trainable table are seen by the next call; other lists are copied to float32.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate, floatTable } from '@attn/core'
 * const bias = floatTable('bias', [0.5, 0.25, 1, 2], [2, 2], { trainable: true })
 * evaluate(bias.at(coordinate('head'), 1), { head: 0 }) // => 0.25
 * ```
 */
export function floatTable(
  name: string,
  values: ArrayLike<number>,
  shape: readonly number[] = [values.length],
  options: FloatTableOptions = {},
): FloatTable {
  checkTable('floatTable', name, values.length, shape)
  checkOptions('floatTable', options, floatTableOptions)
  const stored =
    values instanceof Float32Array || values instanceof Float64Array
      ? values
      : Float32Array.from(values)
  const table: Table = {
    kind: 'table',
    name,
    type: 'float',
    shape: [...shape],
    values: stored,
    trainable: options.trainable ?? false,
  }
  return { table, at: (...indices) => floatExpression(tableLookup(table, indices)) }
}

/**
 * A table of booleans (anything but 0 and false counts as true).
 *
 * @example
 * ```ts
 * import { booleanTable, coordinate, evaluate } from '@attn/core'
 * const shown = booleanTable('shown', [1, 0, 1])
 * evaluate(shown.at(coordinate('key')), { key: 1 }) // => 0
 * ```
 */
export function booleanTable(
  name: string,
  values: ArrayLike<number | boolean> | ArrayLike<bigint>,
  shape: readonly number[] = [values.length],
): BooleanTable {
  checkTable('booleanTable', name, values.length, shape)
  const stored = new Uint8Array(values.length)
  for (let i = 0; i < stored.length; i++) stored[i] = values[i] ? 1 : 0
  const table: Table = {
    kind: 'table',
    name,
    type: 'boolean',
    shape: [...shape],
    values: stored,
    trainable: false,
  }
  return { table, at: (...indices) => booleanExpression(tableLookup(table, indices)) }
}

/** Sorted integers per row, asked with `contains`. */
export interface RelationExpression {
  readonly relation: Relation
  /** Whether `member` is in the list of `row` (clamped to the rows there are). */
  contains(row: IntegerLike, member: IntegerLike): BooleanExpression
}

/**
 * A list of integers per row, such as the random key blocks of every query block. Sorted and freed
 * of repeats here.
 *
 * @throws RangeError when there is no row, or a member is not a 32-bit integer.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate, relation } from '@attn/core'
 * const neighbours = relation('neighbours', [[0, 5], [1, 7]])
 * evaluate(neighbours.contains(coordinate('query'), coordinate('key')), { query: 1, key: 7 }) // => 1
 * ```
 */
export function relation(name: string, lists: readonly IntegerList[]): RelationExpression {
  checkName('relation', name)
  const rows = lists.map(numbersOf)
  if (rows.length === 0) throw rangeError('relation: need at least one row')
  const sorted = rows.map((row) => Int32Array.from(new Set(Array.from(row))).sort())
  rows.forEach((row, index) => {
    for (let i = 0; i < row.length; i++) {
      if ((row[i]! | 0) !== row[i]) {
        throw rangeError(`relation: need 32-bit integers, got ${row[i]} in row ${index}`)
      }
    }
  })
  const offsets = new Int32Array(rows.length + 1)
  sorted.forEach((row, index) => (offsets[index + 1] = offsets[index]! + row.length))
  const members = new Int32Array(offsets[rows.length]!)
  sorted.forEach((row, index) => members.set(row, offsets[index]))
  const data: Relation = { kind: 'relation', name, offsets, members }
  return {
    relation: data,
    contains: (row, member) =>
      booleanExpression(
        Object.freeze({
          kind: 'contains',
          type: 'boolean',
          relation: data,
          row: integer(row).node,
          member: integer(member).node,
        }),
      ),
  }
}

/** The values a call may give a parameter. */
export interface ParameterRange {
  /** Smallest value. Default: -2^30 for integers, -Infinity for floats. */
  readonly minimum?: number | undefined
  /** Largest value. Default: 2^30 for integers, Infinity for floats. */
  readonly maximum?: number | undefined
}

const parameterRange: OptionNames<ParameterRange> = { minimum: true, maximum: true }

function makeParameter(
  name: string,
  type: 'integer' | 'float',
  range: ParameterRange,
  reach: number,
): ExpressionNode {
  checkName(`${type}Parameter`, name)
  checkOptions(`${type}Parameter`, range, parameterRange, { min: 'minimum', max: 'maximum' })
  const { minimum = -reach, maximum = reach } = range
  if (!(minimum <= maximum)) {
    throw rangeError(
      `${type}Parameter: minimum must not exceed maximum, got ${minimum} and ${maximum}`,
    )
  }
  const parameter: Parameter = { kind: 'parameter', name, type, minimum, maximum }
  return Object.freeze({ kind: 'parameter', type, parameter })
}

/**
 * An integer that each call passes in `options.parameters[name]`, so that one plan serves many
 * values. Block maps are planned for the whole range.
 *
 * @example
 * ```ts
 * import { coordinate, evaluate, integerParameter } from '@attn/core'
 * const width = integerParameter('width', { minimum: 1, maximum: 64 })
 * evaluate(coordinate('key').lt(width), { key: 4 }, { parameters: { width: 8 } }) // => 1
 * ```
 */
export function integerParameter(name: string, range: ParameterRange = {}): IntegerExpression {
  return integerExpression(makeParameter(name, 'integer', range, 2 ** 30))
}

/**
 * A float that each call passes in `options.parameters[name]`.
 *
 * @example
 * ```ts
 * import { evaluate, floatParameter } from '@attn/core'
 * const slope = floatParameter('slope', { minimum: 0 })
 * evaluate(slope.mul(2), {}, { parameters: { slope: 0.25 } }) // => 0.5
 * ```
 */
export function floatParameter(name: string, range: ParameterRange = {}): FloatExpression {
  return floatExpression(makeParameter(name, 'float', range, Infinity))
}
