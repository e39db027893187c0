// What happens to a score between the product and the softmax: scale, score modifiers, and on tiles
// that are not full the mask. Works on registers, for any grid whose columns are keys.
import type { ScoreRules } from '../../codegen/snippets.ts'
import { indent, unroll } from '../../codegen/snippets.ts'
import { changeStatements } from '../../codegen/score-change.ts'
import type { ScoreChange } from '../../codegen/score-change.ts'
import { countedQuery } from './dropout.ts'
import {
  columnOffset,
  columnOffsetText,
  columnText,
  eachScore,
  lane,
  ownColumnVectors,
  ownRows,
} from './grid.ts'
import type { ThreadGrid } from './grid.ts'

/** Arguments of `modified` and `visible` for the pair of row register i and a key. */
function pairArguments(i: number, key: string): string {
  return `i32(batch), i32(head), position + ${i}, queryIndex + ${i}, i32(${key})`
}

/** A line for each pair of a thread, given the register's component, the row and the key's text. */
export function eachPair(
  grid: ThreadGrid,
  name: string,
  line: (score: string, row: number, key: string) => string,
): string {
  return unroll(ownRows(grid), (i) =>
    unroll(ownColumnVectors(grid), (j) =>
      unroll(4, (k) =>
        line(`${name}${i}_${j}.${lane(k)}`, i, `firstKey + ${columnText(grid, j, k)}`),
      ),
    ),
  )
}

/** Declares `position` and `queryIndex` of a thread's first row, where any rule asks for them. */
export function pairPositions(grid: ThreadGrid): string {
  return `let queryIndex = i32(firstQuery + row * ${ownRows(grid)}u);
let position = queryOffset + queryIndex;`
}

/**
 * Hides the pairs of `name{i}_{j}` for which `shows(row, step)` is false, a loop for each row: little
 * text where masks are long. `step` is a variable, the columns between a thread's first and this one.
 */
export function hideInLoops(
  grid: ThreadGrid,
  name: string,
  shows: (row: number, step: string) => string,
): string {
  const vectors = ownColumnVectors(grid)
  const bits = (j: number): string => [0, 1, 2, 3].map((k) => `${2 ** (4 * j + k)}u`).join(', ')
  return unroll(
    ownRows(grid),
    (i) => `{
  var shown = 0u;
  for (var own = 0u; own < ${4 * vectors}u; own++) {
    let step = ${columnOffsetText(grid)};
    shown |= select(0u, 1u << own, ${shows(i, 'step')});
  }
${unroll(vectors, (j) => `  ${name}${i}_${j} = select(vec4<f32>(hidden), ${name}${i}_${j}, (vec4<u32>(shown) & vec4<u32>(${bits(j)})) != vec4<u32>(0u));`)}
}`,
  )
}

/**
 * The same where each row sees all keys between two: vectors of keys are compared with both ends. The kernel has
 * the functions of `rules.shownKeys`, if there is a mask.
 */
export function hideOutsideOfEnds(grid: ThreadGrid, name: string, { hasMask }: ScoreRules): string {
  const vectors = ownColumnVectors(grid)
  const offsets = (j: number): string =>
    [0, 1, 2, 3].map((k) => `${columnOffset(grid, j, k)}u`).join(', ')
  const hide = (i: number, outside: (j: number) => string): string =>
    unroll(vectors, (j) => {
      const score = `${name}${i}_${j}`
      return `${score} = select(${score}, vec4<f32>(hidden), ${outside(j)});`
    })
  if (!hasMask) {
    const declare = unroll(
      vectors,
      (j) =>
        `let outside${j} = vec4<u32>(firstKey + column) + vec4<u32>(${offsets(j)}) >= vec4<u32>(keyCount);`,
    )
    return `${declare}\n${unroll(ownRows(grid), (i) => hide(i, (j) => `outside${j}`))}`
  }
  return unroll(ownRows(grid), (i) => {
    const row = `i32(batch), i32(head), position + ${i}, queryIndex + ${i}`
    return block(`let end = min(u32(max(endShown(${row}), 0)), keyCount);
let begin = min(u32(beginShown(${row})), end);
let past = vec4<u32>(firstKey + column - begin); // of keys before the first it is beyond all counts
let count = vec4<u32>(end - begin);
${hide(i, (j) => `past + vec4<u32>(${offsets(j)}) >= count`)}`)
  })
}

/**
 * Scales, modifies and masks the registers `name{i}_{j}`; expects `pairPositions` before it.
 *
 * @param byEnds - Whether pairs are hidden by `hideOutsideOfEnds`. Default: false.
 */
export function applyScoreRules(
  grid: ThreadGrid,
  name: string,
  rules: ScoreRules,
  shortText = false,
  byEnds = false,
): string {
  const hideEach = (): string =>
    hideInLoops(grid, name, (i, step) => {
      const key = `firstKey + column + ${step}`
      return `${key} < keyCount && visible(${pairArguments(i, key)})`
    })
  const hide = byEnds
    ? indent(hideOutsideOfEnds(grid, name, rules), 2)
    : shortText && rules.hasMask
      ? indent(hideEach(), 2)
      : eachPair(grid, name, (score, i, key) => {
          const visible = rules.hasMask ? ` && visible(${pairArguments(i, key)})` : ''
          return `  if (!(${key} < keyCount${visible})) { ${score} = hidden; }`
        })
  return [
    // After the sum and not on Q, so that equal products stay equal scores.
    eachScore(grid, name, (score) => `${score} *= scale;`),
    rules.change ? changeScores(grid, name, rules.change) : '',
    `if (!full) {\n${hide}\n}`,
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** Gives the registers `name{i}_{j}` to the score modifiers; expects `change.head` before it. */
function changeScores(grid: ThreadGrid, name: string, change: ScoreChange): string {
  const pairs = Array.from({ length: ownRows(grid) }, (_, i) =>
    Array.from({ length: 4 * ownColumnVectors(grid) }, (_each, column) => {
      const [j, k] = [column >> 2, column & 3]
      return {
        score: `${name}${i}_${j}.${lane(k)}`,
        pastQuery: i,
        pastKey: columnOffset(grid, j, k),
      }
    }),
  )
  return block(
    `let keyPosition = i32(firstKey + column);\n${changeStatements(change, pairs.flat())}`,
  )
}

/** Multiplies the registers `name{i}_{j}` by what dropout makes of their pairs. */
export function applyDropout(grid: ThreadGrid, name: string, packed: boolean): string {
  const query = countedQuery(packed)
  return unroll(ownRows(grid), (i) =>
    unroll(ownColumnVectors(grid), (j) => {
      const keys = [0, 1, 2, 3].map((k) => `firstKey + ${columnText(grid, j, k)}`)
      return `${name}${i}_${j} *= dropoutWeights(batch * params.heads + head, vec4<u32>(u32(${query} + ${i})), vec4<u32>(${keys.join(', ')}));`
    }),
  )
}

/** `{ ... }` around statements whose names should not leak. */
export function block(text: string): string {
  return `{\n${indent(text, 2)}\n}`
}
