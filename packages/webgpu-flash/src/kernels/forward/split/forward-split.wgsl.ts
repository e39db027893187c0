// The forward kernel for float32 on subgroup matrices that multiply float16: every number comes as two halves
// (kernels/forward/split/halves.ts), and each product of matrices is three. Otherwise it is the kernel of
// forward/matrix: rows keep the reference they begin with for a while, and nothing in the loop over tiles depends
// on what it finds.
//
// Hardware sums of many products lose bits, by as many as there are. So the output moves from its matrices to
// float32 registers every few tiles, and there references move too: rows outgrow theirs only where scores
// rise within these few tiles.
import { loadFunction, storeFunction } from '../../../codegen/access.ts'
import { indent } from '../../../codegen/snippets.ts'
import { bindings, callOrigin, mappedPart, mappedTileOfHeads } from '../forward-frame.ts'
import { declareQueryRows, endRowFunction } from '../matrix/finish.ts'
import type { ForwardMatrixConfig } from '../matrix/config.ts'
import { declareLaneRows, eachLaneRow } from '../matrix/lane-rows.ts'
import { declareShownKeys } from '../matrix/hidden-pairs.ts'
import { declareExponentScale } from '../matrix/lane-scores.ts'
import { eachOutput } from '../matrix/products.ts'
import {
  declareSample,
  findReferences,
  outgrownRows,
  referenceConstants,
} from '../matrix/references.ts'
import { matrixStaging } from '../matrix/staging.ts'
import type { MatrixStaging } from '../matrix/staging.ts'
import { tilePipeline } from '../matrix/tile-pipeline.ts'
import { declareNothing, repeatedWhile, tileCopies } from '../../rolled-loops.ts'
import { forwardFields, parameterBlock, withOptionalFields } from '../../parameters.ts'
import { stageOwnQueries, takesQueriesWhole } from './own-queries.ts'
import { powerOfTwoFunction, splitRowVectors } from './halves.ts'
import { dropoutFunctions } from '../../tile/dropout.ts'
import { computeStage, enableMatrices } from '../../tile/subgroup-size.ts'
import { splitProbabilities } from './probabilities.ts'
import { outputProducts, scoreProducts } from './products.ts'
import { eachTotal, finishTotals, moveOutput, moveReferences } from './totals.ts'
import { matrixTypes } from '../../tile/matrix-types.ts'

/** Fields of the uniform block beside those of all forward kernels: where planes' exponents lie, in rows' units. */
export const exponentFields = ['queryExponents', 'keyExponents', 'valueExponents'] as const

/**
 * Tiles between two moves of the output. With 16 it is 3 % faster on an NVIDIA H200, and the error of a call of 1,024
 * tokens 1.4 times that of a plain program.
 */
export const tilesBetweenMoves = 8

/** The WGSL of the kernel. Entry point: `main`. */
export function forwardSplitKernel(config: ForwardMatrixConfig): string {
  const { tile, memory } = config
  const own = (type: string, vectors: number): string =>
    `array<array<vec4<${type}>, ${vectors}>, ${tile.subgroups}>`
  const sections = [
    enableMatrices(tile, true),
    parameterBlock(
      withOptionalFields([...forwardFields, ...exponentFields], config),
      config.descriptorWords,
      config.parameterWords,
    ),
    bindings(config),
    constants(config),
    `// Rows of keys and values: first halves, then second ones.
var<workgroup> keyRows: array<vec4<f16>, ${memory.keyRows}>;
var<workgroup> valueRows: array<vec4<f16>, ${memory.valueRows}>;
// Of each subgroup: the scores, and the output where it moves; the probabilities as halves.
var<workgroup> scores: ${own('f32', memory.scores)};
var<workgroup> probabilities: ${own('f16', memory.probabilities)};
// Whether any row outgrew its reference; a multiple of 16 bytes, as matrices have to begin at one.
var<workgroup> found: vec4<u32>;`,
    loadFunction('output', config.output, config.valueDim),
    storeFunction('output', config.output, config.valueDim),
    powerOfTwoFunction,
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

function constants({ tile, memory, valueDim }: ForwardMatrixConfig): string {
  return `${matrixTypes(tile.matrix)}
const tileQueries = ${tile.queries}u;
const tileKeys = ${tile.keys}u;
const valueVectors = ${valueDim / 4}u;
const scoreStride = ${memory.scoreStride}u;
const probabilityStride = ${memory.probabilityStride}u;
const log2e = 1.4426950408889634;
${referenceConstants(tile, { sampled: -4, exact: -4, least: 1 })}`
}

/** The exponents of a workgroup's planes, which lie behind the rows; units are those of the bindings. */
const planeExponents = /* wgsl */ `let keyPlane = batch * (params.heads / params.headsPerKeyHead) + keyHead;
let queryExponent = i32(query[params.queryExponents + 2u * (batch * params.heads + head)].x);
let keyExponent = i32(bitcast<vec4<f16>>(key[params.keyExponents + keyPlane].xy).x);
let valueExponent = i32(bitcast<vec4<f16>>(value[params.valueExponents + keyPlane].xy).x);
let scoreScale = scale * powerOfTwo(-queryExponent - keyExponent);
let valueScale = powerOfTwo(-valueExponent);`

function mainBody(given: ForwardMatrixConfig): string {
  const config = { ...given, scoreScale: 'scoreScale' }
  const { tile } = config
  const rows = tile.rowBlocks * tile.matrix.rows
  const staging = matrixStaging({
    ...config,
    headDim: 4 * splitRowVectors(config.headDim),
    valueDim: 4 * splitRowVectors(config.valueDim),
    finite: true,
  })
  const clear = `${eachOutput(config, (name) => `${name} = Result();`)}
${eachTotal(config, (name) => `${name} = vec4<f32>(0.0);`)}
${eachLaneRow(tile, (r) => `sum${r} = 0.0;`)}
var largest = 0.0;`
  return `let subgroup = ${tile.subgroups === 1 ? '0u' : `subgroupId & ${tile.subgroups - 1}u`};
let lane = invocation & ${tile.subgroupSize - 1}u;
let thread = subgroup * ${tile.subgroupSize}u + lane;
${config.parts ? callOrigin(mappedPart) : config.blockMap ? callOrigin(mappedTileOfHeads, 'x') : callOrigin()}
${planeExponents}
// In the softmax, lanes of a row: ${tile.lanesPerRow}; rows of a lane: ${tile.rowsPerLane}.
${declareLaneRows(tile)}
let column = part * 4u;
let queryIndex = i32(firstQuery + subgroup * ${rows}u + ownRow0);
let position = queryOffset + queryIndex;
${declareQueryRows(config)}${declareShownKeys(config)}
${config.rules.change?.head ?? ''}
${declareExponentScale(config)}
// Of scores; 0 where all of them are as good as 0.
let perBit = select(1.0 / exponentScale, 0.0, abs(exponentScale) < 1e-30);
${declareSample(config)}

${declareNothing}
${staging.declarations}${isShort(config) ? stageOwnQueries(config) : staging.queries}
${staging.registers}
${eachOutput(config, (name) => `var ${name} = Result();`)}
${eachTotal(config, (name) => `var ${name} = vec4<f32>(0.0);`)}
${eachLaneRow(tile, (r) => `var reference${r} = 0.0;\nvar base${r} = 0.0; // the same as a score\nvar sum${r} = 0.0;`)}
var exact = false;
loop {
  if (thread == 0u) { found = vec4<u32>(0u); }
${indent(findReferences(config, staging, scoreProducts(config)), 2)}
${indent(
  eachLaneRow(tile, (r) => `base${r} = reference${r} * perBit;`),
  2,
)}
${indent(clear, 2)}
  workgroupBarrier();

${indent(tileLoop(config, staging), 2)}

${indent(outgrownRows(config), 2)}
  if (outgrown) { found.x = 1u; }
  if (exact || workgroupUniformLoad(&found).x == 0u) { break; }
  exact = true;
}

${finishTotals(config)}`
}

/**
 * Whether the text is short: one copy of a tile, and queries that come in turns. Of wide heads under a map it is the fastest
 * on an NVIDIA H200 (0.98 and 1.03 ms for 4,096 tokens of 16 causal heads of 128), and compiles in two thirds of the time.
 * Others lose by it: 4 to 16 % by one copy, up to 1 % by the turns. Software adapters compile any text for long.
 */
const isShort = ({ blockMap, headDim, shortText, tile }: ForwardMatrixConfig): boolean =>
  blockMap && (headDim > 64 || shortText === true) && takesQueriesWhole(tile)

/** All tiles that are visited, with loads ahead, as many at a time as lie between two moves of the output. */
function tileLoop(config: ForwardMatrixConfig, staging: MatrixStaging): string {
  const tiles = tilePipeline(config.blockMap, config.wholeTiles)
  const tile = `let firstKey = keyTile * tileKeys;
${scoreProducts(config)}
workgroupBarrier();
${tiles.later}
${staging.next}
${splitProbabilities(config)}
workgroupBarrier();
${outputProducts(config)}
${tiles.advance}
some++;
goesOn = visits && some < ${tilesBetweenMoves}u;`
  return `${tiles.first}
${staging.begin}
while (visits) {
  var some = 0u;
  var goesOn = true;
${indent(repeatedWhile('goesOn', tile, isShort(config) ? 1 : tileCopies(4, config.shortText)), 2)}
${indent(moveOutput(config), 2)}
${indent(moveReferences(config), 2)}
}`
}
