// What happens to scores where tokens stand in an order of their own: as in score-rules.ts, but the
// positions of a tile are no longer neighbours, so each pair names its own.
import { indent, unroll } from '../../codegen/snippets.ts'
import type { ScoreRules } from '../../codegen/snippets.ts'
import { hideInLoops } from './score-rules.ts'
import { columnText, eachScore, lane, ownColumnVectors, ownRows } from './grid.ts'
import type { ThreadGrid } from './grid.ts'

/** Declares the token of each of a thread's rows, once. */
export function orderedPositions(grid: ThreadGrid): string {
  const rows = ownRows(grid)
  return unroll(
    rows,
    (i) =>
      `let token${i} = i32(min(queryToken(firstQuery + row * ${rows}u + ${i}u), lastQuery));
let position${i} = queryOffset + token${i};`,
  )
}

/** Declares the token of each of a thread's columns, at the beginning of what is done to the scores. */
function keyTokens(grid: ThreadGrid): string {
  return unroll(ownColumnVectors(grid), (j) =>
    unroll(4, (k) => `let key${j}_${k} = keyToken(firstKey + ${columnText(grid, j, k)});`),
  )
}

function eachPair(
  grid: ThreadGrid,
  name: string,
  line: (score: string, key: string, place: string) => string,
): string {
  return unroll(ownRows(grid), (i) =>
    unroll(ownColumnVectors(grid), (j) =>
      unroll(4, (k) =>
        line(
          `${name}${i}_${j}.${lane(k)}`,
          `key${j}_${k}`,
          `i32(batch), i32(head), position${i}, token${i}, i32(key${j}_${k})`,
        ),
      ),
    ),
  )
}

/** Scales, modifies and masks the registers `name{i}_{j}`; expects `orderedPositions` before it. */
export function applyOrderedRules(
  grid: ThreadGrid,
  name: string,
  rules: ScoreRules,
  shortText = false,
): string {
  const modify = eachPair(grid, name, (score, _, place) =>
    rules.pairwise!.reduce((text, call) => `${text}\n${score} = ${call}(${score}, ${place});`, ''),
  )
  const inLoops = shortText && rules.hasMask
  const hide = inLoops
    ? hideInLoops(grid, name, (i, step) => {
        const slot = `firstKey + column + ${step}`
        const place = `i32(batch), i32(head), position${i}, token${i}, i32(keyToken(${slot}))`
        return `keyToken(${slot}) < keyCount && visible(${place})`
      })
    : eachPair(grid, name, (score, key, place) => {
        const visible = rules.hasMask ? ` && visible(${place})` : ''
        return `if (!(${key} < keyCount${visible})) { ${score} = hidden; }`
      })
  const modified = rules.pairwise!.length > 0
  return [
    eachScore(grid, name, (score) => `${score} *= scale;`),
    modified ? `{\n${indent(`${keyTokens(grid)}\n${modify}`, 2)}\n}` : '',
    `if (!full) {\n${indent(inLoops ? hide : `${keyTokens(grid)}\n${hide}`, 2)}\n}`,
  ]
    .filter((part) => part !== '')
    .join('\n')
}

/** Multiplies the registers `name{i}_{j}` by what dropout makes of their pairs. */
export function applyOrderedDropout(grid: ThreadGrid, name: string): string {
  const text = unroll(ownRows(grid), (i) =>
    unroll(ownColumnVectors(grid), (j) => {
      const keys = [0, 1, 2, 3].map((k) => `key${j}_${k}`)
      return `${name}${i}_${j} *= dropoutWeights(batch * params.heads + head, vec4<u32>(u32(position${i})), vec4<u32>(${keys.join(', ')}));`
    }),
  )
  return `{\n${indent(`${keyTokens(grid)}\n${text}`, 2)}\n}`
}
