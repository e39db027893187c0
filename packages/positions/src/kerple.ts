// KERPLE: biases from conditionally positive definite kernels of the distance, with two learned
// numbers a head (Chi et al., arXiv 2205.09921). The logarithmic one extrapolates best; the power one
// contains ALiBi (exponent 1).
import { checkOptions, floatTable, rangeError, scoreModifier, shapeError } from '@attn/core'
import type { FloatExpression, FloatTable, OptionNames, ScoreModifier, Table } from '@attn/core'
import { checkPositiveInteger } from './check-size.ts'

/** Options of {@link kerpleLog}. */
export interface KerpleLogOptions {
  /** H: number of query heads. */
  readonly heads: number
  /**
   * r1 of each head, positive. Kept if it is a Float32Array or Float64Array. Default: evenly spread
   * over 0..2, from where the authors draw it at random.
   */
  readonly scale?: ArrayLike<number> | undefined
  /** r2 of each head, positive. Default: evenly spread over 0..1. */
  readonly rate?: ArrayLike<number> | undefined
}

/** Options of {@link kerplePower}. */
export interface KerplePowerOptions {
  /** H: number of query heads. */
  readonly heads: number
  /** r1 of each head, positive. Default: evenly spread over 0..1. */
  readonly scale?: ArrayLike<number> | undefined
  /** r2 of each head, in 0..2. Default: evenly spread over 0..2. */
  readonly exponent?: ArrayLike<number> | undefined
}

/** A KERPLE bias: a score modifier that knows its two trainable tables. */
export interface Kerple extends ScoreModifier {
  /** `[heads]` each, in the order r1, r2; the backward pass returns their gradients. */
  readonly tables: readonly [scale: Table, shape: Table]
  /**
   * Puts parameters that an optimizer step took out of their range back on its edge (at least 0.01;
   * exponents at most 2), as the authors' code does. Call it after each step: a parameter below the
   * range is evaluated at its edge but has no gradient that would bring it back.
   */
  clamp(): void
}

const smallest = 0.01
// What expressions clamp at lies below `smallest`, so that a clamped float32 keeps its gradient.
const floor = 2 ** -7

const kerpleLogOptions: OptionNames<KerpleLogOptions> = { heads: true, scale: true, rate: true }

/**
 * KERPLE's logarithmic kernel: -r1 log(1 + r2 |i - j|).
 *
 * @throws RangeError when `heads` or the length or sign of a parameter is out of range.
 *
 * @example
 * ```ts
 * import { compile } from '@attn/core'
 * import { kerpleLog } from '@attn/positions'
 * const bias = kerpleLog({ heads: 1, scale: [2], rate: [1] })
 * compile(bias.expression)({ score: 0, head: 0, query: 8, key: 1 }).toFixed(6) // => '-4.158883'
 * ```
 */
export function kerpleLog(options: KerpleLogOptions): Kerple {
  checkOptions('kerpleLog', options, kerpleLogOptions)
  const { heads } = options
  const scale = parameters('kerpleLog', 'scale', heads, options.scale, 2)
  const rate = parameters('kerpleLog', 'rate', heads, options.rate, 1)
  const modifier = scoreModifier('kerpleLog', (score, { head, query, key }) => {
    const distance = query.sub(key).abs()
    const growth = rate.at(head).max(floor).mul(distance).add(1).log()
    return score.sub(scale.at(head).max(floor).mul(growth))
  })
  return withTables(modifier, scale, rate, Infinity)
}

const kerplePowerOptions: OptionNames<KerplePowerOptions> = {
  heads: true,
  scale: true,
  exponent: true,
}

/**
 * KERPLE's power kernel: -r1 |i - j|^r2.
 *
 * @throws RangeError when `heads` or the length or range of a parameter is out of range.
 *
 * @example
 * ```ts
 * import { compile } from '@attn/core'
 * import { kerplePower } from '@attn/positions'
 * const bias = kerplePower({ heads: 1, scale: [0.5], exponent: [2] })
 * compile(bias.expression)({ score: 0, head: 0, query: 8, key: 5 }) // => -4.5
 * ```
 */
export function kerplePower(options: KerplePowerOptions): Kerple {
  checkOptions('kerplePower', options, kerplePowerOptions)
  const { heads } = options
  const scale = parameters('kerplePower', 'scale', heads, options.scale, 1)
  const exponent = parameters('kerplePower', 'exponent', heads, options.exponent, 2)
  if (exponent.table.values.some((value) => value > 2)) {
    throw rangeError('kerplePower: exponent must be at most 2 for every head')
  }
  const modifier = scoreModifier('kerplePower', (score, { head, query, key }) => {
    const distance = query.sub(key).abs()
    // 0^r2 has no derivative in r2, so the base never is 0.
    const power: FloatExpression = distance
      .max(1)
      .toFloat()
      .pow(exponent.at(head).max(floor).min(2))
    return score.sub(scale.at(head).max(floor).mul(distance.eq(0).select(0, power)))
  })
  return withTables(modifier, scale, exponent, 2)
}

function parameters(
  caller: string,
  name: string,
  heads: number,
  given: ArrayLike<number> | undefined,
  upTo: number,
): FloatTable {
  checkPositiveInteger(caller, 'heads', heads)
  const values =
    given ?? Float32Array.from({ length: heads }, (_, head) => (upTo * (head + 0.5)) / heads)
  if (values.length !== heads || !Array.from(values).every((value) => value > 0)) {
    throw shapeError(
      `${caller}: ${name} must hold one positive number for each of ${heads} heads, got [${Array.from(values).join(', ')}]`,
    )
  }
  const tableName = `${caller}${name[0]!.toUpperCase()}${name.slice(1)}`
  return floatTable(tableName, values, [heads], { trainable: true })
}

function withTables(
  modifier: ScoreModifier,
  scale: FloatTable,
  shape: FloatTable,
  largest: number,
): Kerple {
  return Object.freeze({
    ...modifier,
    tables: [scale.table, shape.table] as const,
    clamp: () => {
      clampTable(scale.table, Infinity)
      clampTable(shape.table, largest)
    },
  })
}

function clampTable({ values }: Table, largest: number): void {
  values.forEach((value, head) => {
    values[head] = Math.min(Math.max(value, smallest), largest)
  })
}
