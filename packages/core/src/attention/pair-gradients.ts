// The way back through the score modifiers of one pair: from the gradient of its modified score to
// that of its scaled product, leaving on the way what belongs to trainable tables.
import { differentiate, differentiateTables } from '../expression/differentiate.ts'
import { compile } from '../expression/evaluate.ts'
import type { Evaluator, Point } from '../expression/evaluate.ts'
import type { ScoreModifier } from '../expression/mask.ts'
import { dependencies } from '../expression/dependencies.ts'
import type { Table } from '../expression/node.ts'
import type { AttentionShape, ResolvedAttention } from './options.ts'

/** Score modifiers of one call, compiled to go backwards. */
export interface PairGradients {
  /**
   * Adds to the gradients of the tables.
   *
   * @param score - The scaled product of query and key, before any modifier.
   * @param gradient - Of the loss by the modified score.
   * @returns Gradient of the loss by the scaled product.
   */
  backward(
    batch: number,
    head: number,
    queryIndex: number,
    key: number,
    score: number,
    gradient: number,
  ): number
  /** Gradients so far. */
  readonly dTables: Map<Table, Float64Array>
}

interface Step {
  readonly value: Evaluator
  readonly slope: Evaluator
  readonly entries: readonly {
    readonly gradient: Float64Array
    readonly entry: Evaluator
    readonly slope: Evaluator
  }[]
}

/** Compiles the score modifiers and their derivatives. */
export function pairGradients(shape: AttentionShape, resolved: ResolvedAttention): PairGradients {
  const dTables = new Map<Table, Float64Array>()
  for (const modifier of resolved.scoreModifiers) {
    for (const table of dependencies(modifier.expression.node).tables) {
      if (table.trainable) dTables.set(table, new Float64Array(table.values.length))
    }
  }
  const steps = resolved.scoreModifiers.map((modifier) => compileStep(modifier, resolved, dTables))
  const inputs = new Float64Array(steps.length) // The score before each modifier.
  const { queryLength, keyLength, heads } = shape
  return {
    dTables,
    backward(batch, head, queryIndex, key, score, gradient) {
      // A pair that does not matter must not: its slope may be infinite.
      if (steps.length === 0 || gradient === 0) return gradient
      const query = resolved.queryOffsets[batch]! + queryIndex
      const sizes = { queryLength, keyLength, heads }
      const point: Point = { batch, head, query, queryIndex, key, ...sizes, score }
      steps.forEach(({ value }, step) => {
        inputs[step] = point.score!
        point.score = value(point)
      })
      let remaining = gradient
      for (let step = steps.length - 1; step >= 0; step--) {
        const { slope, entries } = steps[step]!
        point.score = inputs[step]!
        for (const each of entries) {
          each.gradient[each.entry(point)]! += remaining * each.slope(point)
        }
        remaining *= slope(point)
      }
      return remaining
    },
  }
}

function compileStep(
  { expression }: ScoreModifier,
  resolved: ResolvedAttention,
  dTables: ReadonlyMap<Table, Float64Array>,
): Step {
  return {
    value: compile(expression, resolved),
    slope: compile(differentiate(expression, 'score'), resolved),
    entries: differentiateTables(expression).map(({ table, entry, derivative }) => ({
      gradient: dTables.get(table)!,
      entry: compile(entry, resolved),
      slope: compile(derivative, resolved),
    })),
  }
}
