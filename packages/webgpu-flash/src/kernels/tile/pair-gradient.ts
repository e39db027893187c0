// One tile of the backward pass on registers: scores become probabilities by the saved log-sum-exp,
// and the product of dO and V becomes the gradient of the score (FlashAttention-2, arXiv 2307.08691,
// algorithm 2). Rows of the tile are queries where dQ is summed, and keys where dK and dV are.
import { unroll } from '../../codegen/snippets.ts'
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import { carefulFunctions } from '../careful.ts'
import { countedQuery } from './dropout.ts'
import { columnOffset, eachScore, lane, ownColumnVectors, ownRows, rowOffset } from './grid.ts'
import type { ThreadGrid } from './grid.ts'
import { hideInLoops } from './score-rules.ts'

/** A grid whose rows are queries and columns keys, or the other way round. */
export interface PairGrid extends ThreadGrid {
  readonly rowTokens: 'queries' | 'keys'
}

/** The log-sum-exp of rows that see nothing, as the backward kernels know it. */
export const deadRow: string = /* wgsl */ `// In place of -Infinity, so that exp(-Infinity - deadRow) is 0.
const deadRow = 3.4028234663852886e38;`

/** Constants and functions of the backward kernels. */
export const gradientConstants = (keepsNaN: boolean): string => `${deadRow}

${carefulFunctions(keepsNaN)}`

/** What is kept of a row: log-sum-exp and D, and for kernels on subgroup matrices the scale of dS. */
export type SoftmaxRow = 'vec2<f32>' | 'vec4<f32>'

/**
 * WGSL of `softmaxRow`: log-sum-exp and D = rowsum(dO * O) of a row, also of rows past the last.
 *
 * @param ordered - Whether it is given the slot of a row. Default: false.
 */
export const softmaxRowFunction = (
  row: SoftmaxRow,
  ordered = false,
): string => /* wgsl */ `fn softmaxRow(batch: u32, head: u32, ${ordered ? 'slot' : 'queryRow'}: u32) -> vec2<f32> {
${ordered ? '  let queryRow = queryToken(slot);\n' : ''}  if (queryRow >= params.queryLength) { return vec2<f32>(deadRow, 0.0); }
  return softmaxRows[params.softmaxRowsOffset + (batch * params.heads + head) * params.queryLength + queryRow]${row === 'vec4<f32>' ? '.xy' : ''};
}`

/** Declares the token of a thread's first row. */
export function rowOrigin(grid: PairGrid): string {
  const own = ownRows(grid)
  if (grid.rowTokens === 'keys') return `let keyIndex = firstKey + row * ${own}u;`
  return `let queryIndex = i32(firstQuery + row * ${own}u);
let position = queryOffset + queryIndex;`
}

/** Declares the token of a thread's first column. */
export function columnOrigin(grid: PairGrid): string {
  if (grid.rowTokens === 'queries') return 'let keyIndex = firstKey + column;'
  return `let queryIndex = i32(firstQuery + column);
let position = queryOffset + queryIndex;`
}

/**
 * Declares log-sum-exp and D of a thread's queries.
 *
 * @param read - Text of both for a query, counted from the first of the tile; default: from memory.
 */
export function softmaxOfQueries(
  grid: PairGrid,
  read: (slot: string) => string = (slot) => `softmaxRow(batch, head, firstQuery + ${slot})`,
): string {
  const own = ownRows(grid)
  if (grid.rowTokens === 'queries') {
    return unroll(own, (i) => `let softmaxRow${i} = ${read(`row * ${own}u + ${i}u`)};`)
  }
  return unroll(ownColumnVectors(grid), (j) => {
    const rows = unroll(
      4,
      (k) => `let softmaxRow${j}_${k} = ${read(`column + ${columnOffset(grid, j, k)}u`)};`,
    )
    const gather = (component: string): string =>
      `vec4<f32>(${[0, 1, 2, 3].map((k) => `softmaxRow${j}_${k}.${component}`).join(', ')})`
    return `${rows}\nlet logSumExp${j} = ${gather('x')};\nlet delta${j} = ${gather('y')};`
  })
}

/** Log-sum-exp and D of the queries of score vector i, j. */
function ofQueries(grid: PairGrid, i: number, j: number): { logSumExp: string; delta: string } {
  return grid.rowTokens === 'keys'
    ? { logSumExp: `logSumExp${j}`, delta: `delta${j}` }
    : { logSumExp: `vec4<f32>(softmaxRow${i}.x)`, delta: `vec4<f32>(softmaxRow${i}.y)` }
}

/** Text of D of the query of one pair, in a kernel of two teams. */
export function ofQuery(grid: PairGrid, i: number, j: number, k: number): string {
  return grid.rowTokens === 'keys' ? `delta${j}.${lane(k)}` : `softmaxRow${i}.y`
}

/** Offsets of a pair from the thread's first query and first key. */
export function pairSteps(
  grid: PairGrid,
  i: number,
  j: number,
  k: number,
): readonly [query: number, key: number] {
  const row = rowOffset(grid, i)
  const column = columnOffset(grid, j, k)
  return grid.rowTokens === 'queries' ? [row, column] : [column, row]
}

/** The arguments of a generated function for one pair. */
export function pairArguments(grid: PairGrid, i: number, j: number, k: number): string {
  const [query, key] = pairSteps(grid, i, j, k)
  return `i32(batch), i32(head), position + ${query}, queryIndex + ${query}, i32(keyIndex + ${key}u)`
}

/** A call of a generated function for the pair that the variables of a token's place name. */
export function pairCall(name: string, score?: string): string {
  const given = score === undefined ? '' : `${score}, `
  return `${name}(${given}i32(batch), i32(head), position, queryIndex, i32(keyIndex))`
}

/** One line for each pair of a thread. */
export function eachPair(
  grid: PairGrid,
  line: (i: number, j: number, k: number) => string,
): string {
  return unroll(ownRows(grid), (i) =>
    unroll(ownColumnVectors(grid), (j) => unroll(4, (k) => line(i, j, k))),
  )
}

/** Declares `slope{i}_{j}`, the derivatives of the modified scores, where they are not all 1. */
export function startSlopes(grid: PairGrid, rules: GradientRules): string {
  if (!rules.hasSlopes) return ''
  return eachScore(grid, 'slope', (slope) => `var ${slope} = vec4<f32>(1.0);`)
}

/**
 * Turns the products `score{i}_{j}` into probabilities in place, and sets the slopes; keeps the scaled
 * product as `product{i}_{j}` if asked to.
 */
export function probabilities(grid: PairGrid, rules: GradientRules, keepProduct: boolean): string {
  const perVector = (line: (score: string) => string): string => eachScore(grid, 'score', line)
  return [
    perVector((score) => `${score} *= scale;`),
    keepProduct ? perVector((score) => `let ${score.replace('score', 'product')} = ${score};`) : '',
    modifyScores(grid, rules),
    `if (!full) {\n${hideScores(grid, rules, grid.rowTokens === 'keys' || keepProduct)}\n}`,
    unroll(ownRows(grid), (i) =>
      unroll(
        ownColumnVectors(grid),
        (j) => `score${i}_${j} = pairWeights(score${i}_${j}, ${ofQueries(grid, i, j).logSumExp});`,
      ),
    ),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** Gives the scaled products `score{i}_{j}` to the score modifiers, and sets the slopes. */
export function modifyScores(grid: PairGrid, rules: GradientRules): string {
  if (!rules.hasModifiers) return ''
  return eachPair(grid, (i, j, k) => {
    const score = `score${i}_${j}.${lane(k)}`
    const call = `(${score}, ${pairArguments(grid, i, j, k)});`
    if (!rules.hasSlopes) return `${score} = modified${call}`
    const both = `modified${i}_${j}_${k}`
    return `let ${both} = modifiedWithSlope${call} ${score} = ${both}.x; slope${i}_${j}.${lane(k)} = ${both}.y;`
  })
}

/**
 * Hides pairs of a tile that is not full.
 *
 * @param asksQueries - Whether those of queries past the last, too: they repeat it, and must not add to
 *   what it gives to keys and tables. Default: false.
 */
export function hideScores(grid: PairGrid, rules: GradientRules, asksQueries = false): string {
  const exists = (query: string, key: string): string | undefined =>
    rules.ordered
      ? undefined
      : `keyIndex + ${key} < keyCount${asksQueries ? `) & (queryIndex + ${query} < i32(params.queryLength)` : ''}`
  if (rules.shortText && rules.hasMask) return hideByRow(grid, exists)
  return eachPair(grid, (i, j, k) => {
    const [query, key] = pairSteps(grid, i, j, k)
    const visible = rules.hasMask ? `visible(${pairArguments(grid, i, j, k)})` : undefined
    const score = `score${i}_${j}.${lane(k)}`
    return `  ${score} = select(hidden, ${score}, ${joinConditions(exists(`${query}`, `${key}u`), visible)});`
  })
}

/** All are asked, as in expressions: branches take their time to compile. */
const joinConditions = (...conditions: readonly (string | undefined)[]): string =>
  conditions
    .filter((condition) => condition !== undefined)
    .map((condition) => `(${condition})`)
    .join(' & ')

/** Hides the pairs that the mask hides, in a loop for each row. */
function hideByRow(
  grid: PairGrid,
  exists: (query: string, key: string) => string | undefined,
): string {
  return hideInLoops(grid, 'score', (i, step) => {
    const row = rowOffset(grid, i)
    const [query, key] =
      grid.rowTokens === 'queries' ? [`${row}`, step] : [`i32(${step})`, `${row}u`]
    const place = `i32(batch), i32(head), position + ${query}, queryIndex + ${query}, i32(keyIndex + ${key})`
    return joinConditions(exists(query, key), `visible(${place})`)
  })
}

/**
 * Turns `gradient{i}_{j}`, products of dO and V, into gradients of the modified scores, given their
 * probabilities `score{i}_{j}`; with dropout these are thinned after use, as dV needs them.
 */
export function scoreGradients(
  grid: PairGrid,
  dropout: boolean,
  { countsWithin }: GradientRules,
): string {
  return unroll(ownRows(grid), (i) =>
    unroll(ownColumnVectors(grid), (j) => {
      const [probability, gradient] = [`score${i}_${j}`, `gradient${i}_${j}`]
      const kept = `kept${i}_${j}`
      const steps = [0, 1, 2, 3].map((k) => pairSteps(grid, i, j, k))
      const product = dropout ? `${gradient} * ${kept}` : gradient
      // No probability, no gradient: also where the product has overflowed. The -0 of hidden pairs stays.
      const lines = [
        `${gradient} = select(${probability} * (${product} - ${ofQueries(grid, i, j).delta}), ${probability}, ${probability} == vec4<f32>(0.0));`,
      ]
      if (dropout) {
        lines.unshift(`let ${kept} = ${dropoutText(steps, countsWithin)};`)
        lines.push(`${probability} *= ${kept};`)
      }
      return lines.join('\n')
    }),
  )
}

/**
 * Text of what dropout makes of four pairs, given by their steps.
 *
 * @param packed - Whether sequences are packed.
 */
export function dropoutText(
  steps: readonly (readonly [query: number, key: number])[],
  packed: boolean,
): string {
  const counted = countedQuery(packed)
  const queries = steps.map(([query]) => `u32(${counted} + ${query})`)
  const keys = steps.map(([, key]) => `keyIndex + ${key}u`)
  return `dropoutWeights(batch * params.heads + head, vec4<u32>(${queries.join(', ')}), vec4<u32>(${keys.join(', ')}))`
}

/** Takes the gradients back through the score modifiers, where their slopes are not all 1. */
export function applySlopes(grid: PairGrid, rules: GradientRules): string {
  if (!rules.hasSlopes) return ''
  return eachScore(grid, 'gradient', (gradient) => {
    const slope = gradient.replace('gradient', 'slope')
    // A pair that does not matter must not: its slope may be infinite.
    return `${gradient} = select(${gradient} * ${slope}, ${gradient}, ${gradient} == vec4<f32>(0.0));`
  })
}
