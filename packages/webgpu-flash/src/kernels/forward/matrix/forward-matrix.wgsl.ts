// The forward kernel on subgroup matrices (tensor cores): operands of the call's type, float32 sums. A subgroup
// owns query rows; both products are matrix products of the hardware. Where it sums in float16 alone, a tile's
// sums are widened and the output lies in registers; see half-sums.ts.
//
// WGSL's matrices are opaque: no element of one can be read and no row scaled. So the scores cross
// workgroup memory on their way to the softmax, and rows keep the reference they begin with (see
// matrix/references.ts): nothing in the loop over tiles depends on what it finds. Where a row outgrew its
// reference, which its sum tells, the workgroup computes once more.
//
// Every matrix is loaded and stored at a constant place of an array of its own: what a subgroup has
// for itself is an array of arrays. Browsers check the places they cannot foresee, which cost half
// of the speed.
import { loadFunction, storeFunction } from '../../../codegen/access.ts'
import { indent } from '../../../codegen/snippets.ts'
import { bindings, callOrigin, mappedPart, mappedTileOfHeads } from '../forward-frame.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { declareQueryRows, endRowFunction, finishRows } from './finish.ts'
import { eachWidened, finishWidened, halfSumFunctions, halfTileProducts } from './half-sums.ts'
import { declareShownKeys } from './hidden-pairs.ts'
import { declareLaneRows, eachLaneRow } from './lane-rows.ts'
import { declareExponentScale, lowestScore } from './lane-scores.ts'
import { tileProbabilities } from './probabilities.ts'
import { eachOutput, outputOfTile, scoreProducts, wovenProducts } from './products.ts'
import { declareSample, findReferences, outgrownRows, referenceConstants } from './references.ts'
import { matrixStaging } from './staging.ts'
import type { MatrixStaging } from './staging.ts'
import { addStrangeValues, mayHide, strangeFunctions } from './strange-values.ts'
import { tilePipeline } from './tile-pipeline.ts'
import { declareNothing, repeatedWhile, rolledWhile, tileCopies } from '../../rolled-loops.ts'
import { forwardFields, parameterBlock, withOptionalFields } from '../../parameters.ts'
import { dropoutFunctions } from '../../tile/dropout.ts'
import { computeStage, enableMatrices } from '../../tile/subgroup-size.ts'
import { matrixTypes } from '../../tile/matrix-types.ts'

/** The WGSL of the forward kernel on subgroup matrices. Entry point: `main`. */
export function forwardMatrixKernel(config: ForwardMatrixConfig): string {
  const { tile, memory } = config
  const own = (type: string, vectors: number): string =>
    `array<array<vec4<${type}>, ${vectors}>, ${tile.subgroups}>`
  const sections = [
    enableMatrices(tile, tile.operands === 'f16'),
    parameterBlock(
      withOptionalFields(forwardFields, config),
      config.descriptorWords,
      config.parameterWords,
    ),
    bindings(config),
    constants(config),
    `var<workgroup> keyRows: array<vec4<${tile.operands}>, ${memory.keyRows}>;
var<workgroup> valueRows: array<vec4<${tile.operands}>, ${memory.valueRows}>;
// Of each subgroup: the scores, and the output where it is written; the probabilities.
var<workgroup> scores: ${own(tile.sums, memory.planes * memory.scores)};
var<workgroup> probabilities: ${own(tile.operands, memory.probabilities)};
// What the lanes found: rows that outgrew their references, and values that are not finite. Like the
// others a multiple of 16 bytes: matrices must begin at one, and drivers lay arrays out back to back.
var<workgroup> found: vec4<u32>;`,
    loadFunction('query', config.query, config.headDim),
    loadFunction('key', config.key, config.headDim),
    loadFunction('value', config.value, config.valueDim),
    loadFunction('output', config.output, config.valueDim),
    storeFunction('output', config.output, config.valueDim),
    mayHide(config) ? strangeFunctions(config) : '',
    tile.sums === 'f16' ? halfSumFunctions(config) : '',
    endRowFunction(config),
    config.tokens ?? '',
    config.rules.code,
    config.wholeTiles || config.tokens ? '' : (config.rules.shownKeys ?? ''),
    config.dropout ? dropoutFunctions(config.rules.countsWithin) : '',
    `${computeStage(tile.subgroups * tile.subgroupSize, tile)}
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_id) subgroupId: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
${indent(mainBody(config), 2)}
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function constants({ tile, memory, valueDim, hugeScores }: ForwardMatrixConfig): string {
  return `${matrixTypes(tile.matrix, tile.operands, tile.sums)}
const tileQueries = ${tile.queries}u;
const tileKeys = ${tile.keys}u;
const valueVectors = ${valueDim / 4}u;
const scoreStride = ${memory.scoreStride}u;
const probabilityStride = ${memory.probabilityStride}u;
const log2e = 1.4426950408889634;
${referenceConstants(tile)}${hugeScores ? `\n${lowestScore}` : ''}`
}

function mainBody(config: ForwardMatrixConfig): string {
  const { tile } = config
  const hides = mayHide(config)
  const rows = tile.rowBlocks * tile.matrix.rows
  const staging = matrixStaging(config)
  const halves = tile.sums === 'f16'
  const eachSum = (line: (name: string, zero: string) => string): string =>
    halves
      ? eachWidened(config, (name) => line(name, 'vec4<f32>()'))
      : eachOutput(config, (name) => line(name, 'Result()'))
  const clear = `${eachSum((name, zero) => `${name} = ${zero};`)}
${eachLaneRow(tile, (r) => `sum${r} = 0.0;`)}
var largest = 0.0;`
  return `let subgroup = ${tile.subgroups === 1 ? '0u' : `subgroupId & ${tile.subgroups - 1}u`};
let lane = invocation & ${tile.subgroupSize - 1}u;
let thread = subgroup * ${tile.subgroupSize}u + lane;
${config.parts ? callOrigin(mappedPart) : config.blockMap ? callOrigin(mappedTileOfHeads, 'x') : callOrigin()}
// In the softmax, lanes of a row: ${tile.lanesPerRow}; rows of a lane: ${tile.rowsPerLane}.
${declareLaneRows(tile)}
let column = part * 4u;
let queryIndex = i32(firstQuery + subgroup * ${rows}u + ownRow0);
let position = queryOffset + queryIndex;
${declareQueryRows(config)}${declareShownKeys(config)}
${config.rules.change?.head ?? ''}
${declareExponentScale(config)}
${declareSample(config)}

${declareNothing}
${staging.declarations}${staging.queries}
${staging.registers}
${eachSum((name, zero) => `var ${name} = ${zero};`)}
${eachLaneRow(tile, (r) => `var reference${r} = 0.0;\nvar sum${r} = 0.0;`)}
var exact = false;
${halves ? 'var overflown = false;\n' : ''}${hides ? 'var strange = false;\nvar anyStrange = false;\n' : ''}loop {
  if (thread == 0u) { found = vec4<u32>(0u); }
${indent(findReferences(config, staging, scoreProducts(config)), 2)}
${indent(clear, 2)}
  workgroupBarrier();

${indent(tileLoop(config, staging), 2)}

${indent(outgrownRows(config), 2)}
  if (outgrown${halves ? ' || overflown' : ''}) { found.x = 1u; }
${hides ? '  if (strange) { found.y = 1u; }\n' : ''}  let all = workgroupUniformLoad(&found);
${hides ? '  anyStrange = all.y != 0u;\n' : ''}  if (exact || all.x == 0u) { break; }
  exact = true;
}

${halves ? finishWidened(config) : finishRows(config)}${hides ? `\nif (anyStrange) {\n${indent(addStrangeValues(config), 2)}\n}` : ''}`
}

/**
 * The loop over tiles. With a map it is fastest rolled up, since most tiles then skip what partial ones need; without one
 * in a few copies of ours, on the matrices that these were measured on.
 */
function loopOver({ blockMap, tile, shortText }: ForwardMatrixConfig, body: string): string {
  if (blockMap) return rolledWhile('visits', body)
  const measured = tile.operands === 'f16' && tile.sums === 'f32'
  if (tile.woven || (measured && !shortText)) {
    return repeatedWhile('visits', body, tileCopies(3, shortText))
  }
  return `while (visits) {\n${indent(body, 2)}\n}`
}

/**
 * All tiles that are visited, with loads ahead. Scores are computed a tile ahead where that is woven into other
 * products, or follows sums of float16; else with their tile, which takes fewer registers.
 */
function tileLoop(config: ForwardMatrixConfig, staging: MatrixStaging): string {
  const { woven, sums } = config.tile
  const tiles = tilePipeline(config.blockMap, config.wholeTiles)
  const ahead = woven || sums === 'f16'
  const products =
    sums === 'f16' ? halfTileProducts(config) : woven ? wovenProducts(config) : outputOfTile(config)
  const tile = `let firstKey = keyTile * tileKeys;
${ahead ? '' : `${scoreProducts(config)}\n`}workgroupBarrier();
${tiles.later}
${staging.next}
${tileProbabilities(config)}
workgroupBarrier();
${products}
${tiles.advance}`
  return `${tiles.first}
${staging.begin}
${ahead ? `${scoreProducts(config)}\n` : ''}${loopOver(config, tile)}`
}
