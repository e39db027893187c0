// What the backward kernels ask of mask and score modifiers: WGSL functions for who is visible, what
// a score becomes and how steeply, and what of a pair's gradient belongs to which table entry.
import { differentiate } from '@attn/core'
import type {
  ExpressionNode,
  Mask,
  ScoreModifier,
  SequenceCoordinates,
  TokenOrders,
} from '@attn/core'
import type { DataLayout } from './data-layout.ts'
import { coordinateArguments, expressionFunction, helperText } from './expression.ts'
import type { HelperName } from './helpers.ts'
import { sequenceCounters } from './sequence-counters.ts'
import type { TableLookup } from '../plan/table-lookups.ts'
import { orderedPairs } from './ordered-pairs.ts'

/** The functions, and which of them there are. */
export interface GradientRules {
  /**
   * `visible(...)`; `modified(score, ...)` or, where slopes are not all 1, `modifiedWithSlope(score,
   * ...)`; `tableShare<n>(score, gradient, ...)` for each look-up in a trainable table.
   */
  readonly code: string
  readonly hasMask: boolean
  readonly hasModifiers: boolean
  readonly hasSlopes: boolean
  /** Whether dropout counts pairs by `countedWithin`, since sequences are packed. */
  readonly countsWithin: boolean
  /** Whether masks are asked in loops over the pairs of a row. Default: false. */
  readonly shortText?: boolean
  /**
   * Whether tokens stand in orders of their own: kernels count slots then, the functions turn them into tokens,
   * and `visible` says besides whether both exist; see ordered-pairs.ts. Default: false.
   */
  readonly ordered?: boolean
}

const parameters = coordinateArguments.map((name) => `${name}: i32`).join(', ')
const pass = coordinateArguments.join(', ')

/**
 * Generates the functions.
 *
 * @param within - What dropout counts where sequences are packed.
 * @param orders - The orders that tokens stand in, and the tiles of their slots. Default: natural order.
 */
export function gradientRules(
  mask: Mask | undefined,
  modifiers: readonly ScoreModifier[],
  lookups: readonly TableLookup[],
  layout: DataLayout,
  within?: SequenceCoordinates,
  orders?: TokenOrders & { readonly tile: { readonly queries: number; readonly keys: number } },
): GradientRules {
  const named = (name: string): string => (orders ? `${name}OfTokens` : name)
  const helpers = new Set<HelperName>()
  const functions: string[] = []
  const add = (name: string, node: ExpressionNode, takesScore: boolean): void => {
    const generated = expressionFunction(name, node, layout, takesScore)
    generated.helpers.forEach((helper) => helpers.add(helper))
    functions.push(generated.code)
  }
  if (mask) add(named('visible'), mask.expression.node, false)
  const slopes = modifiers.map(({ expression }) => differentiate(expression, 'score').node)
  const isSteady = (index: number): boolean => {
    const slope = slopes[index]!
    return slope.kind === 'constant' && slope.value === 1
  }
  modifiers.forEach(({ expression }, index) => {
    add(`modifier${index}`, expression.node, true)
    if (!isSteady(index)) add(`slope${index}`, slopes[index]!, true)
  })
  const hasSlopes = !slopes.every((_, index) => isSteady(index))
  if (modifiers.length > 0) functions.push(chain(modifiers.length, hasSlopes, isSteady, named))
  if (lookups.length > 0) functions.push(shareType)
  lookups.forEach((lookup, number) => {
    add(`tableSlope${number}`, lookup.derivative.node, true)
    for (const axis of lookup.ownAxes) {
      add(`tableIndex${number}_${axis}`, lookup.indices[axis]!.node, true)
    }
    functions.push(tableShare(lookup, number, modifiers.length, isSteady))
  })
  if (within) functions.push(sequenceCounters(within, layout, helpers))
  if (orders) {
    functions.push(
      orderedPairs(orders, orders.tile, {
        hasMask: mask !== undefined,
        hasModifiers: modifiers.length > 0,
        hasSlopes,
      }),
    )
  }
  return {
    code: [helperText(helpers), ...functions].filter((part) => part !== '').join('\n\n'),
    hasMask: mask !== undefined || orders !== undefined,
    hasModifiers: modifiers.length > 0,
    hasSlopes,
    countsWithin: within !== undefined,
    ...(orders ? { ordered: true } : {}),
  }
}

function chain(
  count: number,
  hasSlopes: boolean,
  isSteady: (index: number) => boolean,
  named: (name: string) => string,
): string {
  const lines = Array.from({ length: count }, (_, index) => [
    ...(hasSlopes && !isSteady(index) ? [`  slope *= slope${index}(result, ${pass});`] : []),
    `  result = modifier${index}(result, ${pass});`,
  ])
  return [
    hasSlopes
      ? `fn ${named('modifiedWithSlope')}(score: f32, ${parameters}) -> vec2<f32> {`
      : `fn ${named('modified')}(score: f32, ${parameters}) -> f32 {`,
    '  var result = score;',
    ...(hasSlopes ? ['  var slope = 1.0;'] : []),
    ...lines.flat(),
    hasSlopes ? '  return vec2<f32>(result, slope);' : '  return result;',
    '}',
  ].join('\n')
}

const shareType = `// What of a pair's gradient belongs to which entry of a table.
struct TableShare {
  entry: u32,
  gradient: f32,
}`

/** Back through the modifiers after the look-up, then by the look-up's own derivative. */
function tableShare(
  lookup: TableLookup,
  number: number,
  modifiers: number,
  isSteady: (index: number) => boolean,
): string {
  const scores = Array.from(
    { length: modifiers - 1 },
    (_, index) => `  let score${index + 1} = modifier${index}(score${index}, ${pass});`,
  )
  const later = Array.from({ length: modifiers }, (_, index) => index)
    .filter((index) => index > lookup.modifier && !isSteady(index))
    .toReversed()
    .map((index) => `  share *= slope${index}(score${index}, ${pass});`)
  const { shape } = lookup.table
  const entry = lookup.ownAxes.reduce((sum, axis) => {
    const call = `tableIndex${number}_${axis}(score${lookup.modifier}, ${pass})`
    const index = `u32(clamp(${call}, 0, ${shape[axis]! - 1}))`
    return sum === '' ? index : `(${sum}) * ${shape[axis]!}u + ${index}`
  }, '')
  return `fn tableShare${number}(score0: f32, gradient: f32, ${parameters}) -> TableShare {
  if (gradient == 0.0) { return TableShare(0u, 0.0); }
${[...scores, '  var share = gradient;', ...later].join('\n')}
  share *= tableSlope${number}(score${lookup.modifier}, ${pass});
  return TableShare(${entry === '' ? '0u' : entry}, share);
}`
}
