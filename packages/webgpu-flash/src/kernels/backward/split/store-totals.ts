// The last step of the backward kernels on split float32: gradients leave the lanes' registers. And the first of a pass
// that goes on with what an earlier one wrote: registers begin as that. It is loaded beside the rows of the workgroup,
// since in the end it would be waited for as long as several tiles take.
import { capitalized, indent, unroll } from '../../../codegen/snippets.ts'
import { laneVectors, sumLanes } from '../../../plan/backward/split-matrix-tile.ts'
import { eachLaneRow } from '../../forward/matrix/lane-rows.ts'
import { gradientRow, tokenText } from '../slots.ts'
import { eachTotal } from './products.ts'
import { castSplitRoles } from './roles.ts'
import type { SplitMatrixConfig, SplitRole } from './roles.ts'

/** Text of the token in a lane's row r of the sums, and of the row of the gradient that belongs to it. */
const token = ({ rules, rowTokens }: SplitMatrixConfig, first: string, r: number): string =>
  tokenText(rules, rowTokens, `${first} + sumRow${r}`)
const row = (config: SplitMatrixConfig, first: string, r: number): string =>
  gradientRow(config, config.rowTokens, `${first} + sumRow${r}`)

/** One text for both of a pair, or one for each: which gradient it sums, and from which of its vectors on. */
function eachRole(
  config: SplitMatrixConfig,
  text: (role: SplitRole, firstVector: string) => string,
): string {
  const { roles, sumDims } = castSplitRoles(config)
  if (config.rowTokens === 'queries') return text(roles[0], `partner * ${sumDims / 4}u + `)
  return `if (partner == 0u) {
${indent(text(roles[0], ''), 2)}
} else {
${indent(text(roles[1], ''), 2)}
}`
}

/** Texts that begin the registers of a pass that goes on: their loads, and what makes them sums of this kernel. */
export function beginTotals(
  config: SplitMatrixConfig,
  first: string,
  last: string,
): { readonly loads: string; readonly scales: string } {
  if (!config.continues) return { loads: '', scales: '' }
  const { matrix } = config.tile
  const load = eachRole(config, ({ sum: { name } }, firstVector) =>
    eachTotal(config, (total, r, c, vector) => {
      const base = `${name}Base + (${row(config, first, r)}) * params.${name}Row`
      const at = `${firstVector}${(c * matrix.columns) / 4}u + ${vector}`
      return `if (${token(config, first, r)} <= ${last}) { ${total} = load${capitalized(name)}(${base}, ${at}); }`
    }),
  )
  // Of a scale of 0 nothing is left.
  const scale = eachRole(
    config,
    ({ factor }) => `let factor = ${factor};
let inverse = select(1.0 / factor, 0.0, factor == 0.0);
${eachTotal(config, (total) => `${total} *= inverse;`)}`,
  )
  const adding = (text: string): string => `if (params.accumulate != 0u) {\n${indent(text, 2)}\n}`
  return { loads: adding(load), scales: adding(scale) }
}

/** Writes the gradients, or adds them to what earlier dispatches wrote. */
export function storeTotals(config: SplitMatrixConfig, first: string, last: string): string {
  const { tile } = config
  const totals: string[] = []
  eachTotal(config, (total) => {
    totals.push(total)
    return ''
  })
  if (totals.length <= mostUnrolled) {
    return eachRole(config, (role, firstVector) =>
      storeEach(config, role, firstVector, first, last),
    )
  }
  const lanes = sumLanes(tile)
  const vectors = laneVectors(lanes, tile.matrix.columns)
  const perColumn = lanes.rowsPerLane * vectors
  const stores = ({ sum: { name }, factor }: SplitRole, firstVector: string): string => {
    const capital = capitalized(name)
    const add = config.continues
      ? ''
      : `\n    if (params.accumulate != 0u) { sum += load${capital}(base, vector); }`
    const lines = eachLaneRow(
      lanes,
      (r) => `if (${token(config, first, r)} <= ${last}) {
  let base = ${name}Base + (${row(config, first, r)}) * params.${name}Row;
${unroll(
  vectors,
  (j) => `  {
    let vector = ${firstVector}column * ${tile.matrix.columns / 4}u + sumPart + ${j * lanes.lanesPerRow}u;
    ${config.continues ? 'let' : 'var'} sum = totals[column * ${perColumn}u + ${r * vectors + j}u] * factor;${add}
    store${capital}(base, vector, sum);
  }`,
)}
}`,
    )
    // A loop whose end no compiler knows: it runs once, and unrolled it would be much of the program to compile.
    return `let factor = ${factor};
for (var column = 0u; column < select(0u, ${totals.length / perColumn}u, params.keyLength != 0u); column++) {
${indent(lines, 2)}
}`
  }
  const gathered = `var totals = array<vec4<f32>, ${totals.length}>(${totals.join(', ')});`
  return `${gathered}\n${eachRole(config, stores)}`
}

/** Vectors of a lane whose stores are written out: from an array they would go through memory of its own. */
const mostUnrolled = 8

function storeEach(
  config: SplitMatrixConfig,
  { sum: { name }, factor }: SplitRole,
  firstVector: string,
  first: string,
  last: string,
): string {
  const capital = capitalized(name)
  const stores = eachTotal(config, (total, r, c, vector) => {
    const sum = `${total} * factor`
    const lines = config.continues
      ? `store${capital}(base, vector, ${sum});`
      : `var sum = ${sum};
  if (params.accumulate != 0u) { sum += load${capital}(base, vector); }
  store${capital}(base, vector, sum);`
    return `if (${token(config, first, r)} <= ${last}) {
  let base = ${name}Base + (${row(config, first, r)}) * params.${name}Row;
  let vector = ${firstVector}${(c * config.tile.matrix.columns) / 4}u + ${vector};
  ${lines}
}`
  })
  return `let factor = ${factor};\n${stores}`
}
