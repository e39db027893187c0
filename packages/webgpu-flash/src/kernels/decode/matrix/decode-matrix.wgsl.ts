// Attention of few query rows on subgroup matrices, keys and values as halves or in quantised blocks. All rows
// that share keys are columns of the same products, so that each key is read, expanded and multiplied once for
// all of them. What a chunk of keys goes through, a barrier after each: its keys come to workgroup memory; scores;
// softmax, while its values take the keys' place; output. The next chunk's are on their way meanwhile.
//
// No element of a matrix can be scaled, so rows keep the reference that their weights are relative to until a
// score is far above it; then, which is rare, the output crosses workgroup memory and is scaled there.
//
// What is not finite, in the sums or the output, makes the workgroup compute once more, pair by pair: see
// kernels/careful.ts.
import { loadFunction, storeFunction, unpackFunctions } from '../../../codegen/access.ts'
import { indent, unroll } from '../../../codegen/snippets.ts'
import { hiddenScore, pairWeightFunction } from '../../careful.ts'
import { sharedConstants } from '../../forward/forward-frame.ts'
import { parameterBlock } from '../../parameters.ts'
import { dropoutFunctions } from '../../tile/dropout.ts'
import { matrixTypes } from '../../tile/matrix-types.ts'
import { eachUnit } from '../../tile/source.ts'
import { computeStage, enableMatrices } from '../../tile/subgroup-size.ts'
import {
  beginPart,
  declareChunks,
  decodeBindings,
  finishDecodedFunction,
  lengthFunctions,
} from '../decode-frame.ts'
import type { DecodeAccess } from '../decode-access.ts'
import { placeText } from '../decode-places.ts'
import { carefulLoop } from './careful-loop.ts'
import { chunksAhead, expands } from './config.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { finishRows } from './finish.ts'
import { eachOutput, loadQueries, outputProducts, scoreProducts } from './products.ts'
import { quantizedElements } from '../../quantized-elements.ts'
import { orderFunction } from './quantized-order.ts'
import { chunkSoftmax, startChunkSoftmax, wholeRowSums } from './softmax.ts'
import { blockRegisters, expansionFunctions } from './staged-blocks.ts'
import { chunkFunction, chunkNumber, stagedRows } from './staged-rows.ts'
import type { StagedRows } from './staged-rows.ts'

/** The WGSL of the decode kernel on subgroup matrices. Entry point: `main`. */
export function decodeMatrixKernel(config: DecodeMatrixConfig): string {
  const { tile, memory, query, key, value, output, whole, headDim, valueDim } = config
  const stored = (): string => 'vec4<u32>'
  const loaded = (name: 'key' | 'value', access: DecodeAccess, dims: number): string =>
    access.quantized
      ? quantizedElements(name, access.quantized, 4)
      : loadFunction(name, access, dims)
  const { subgroups, rows } = tile
  const sections = [
    enableMatrices(tile),
    parameterBlock(config.fields, config.descriptorWords, config.parameterWords),
    decodeBindings(config, stored),
    constants(config),
    `// ${memory.bytes} bytes. Of each subgroup its keys, or its dims of all values; first the queries.
var<workgroup> tile: array<array<vec4<f16>, ${memory.tile}>, ${subgroups}>;
var<workgroup> weights: array<vec4<f16>, ${memory.weights}>;
// Of each subgroup the scores of its keys, or some of its dims of the output.
var<workgroup> scores: array<array<vec4<f32>, ${memory.scores}>, ${subgroups}>;
// Of each row: what it is to be scaled by, its reference and its sum.
var<workgroup> rowNumbers: array<f32, ${Math.ceil((3 * rows) / 4) * 4}>;
// Whether rows are to be scaled; whether something is not finite.
var<workgroup> found: vec4<u32>;
`.trimEnd(),
    unpackFunctions([query, output]),
    loadFunction('query', query, headDim),
    loaded('key', key, headDim),
    loaded('value', value, valueDim),
    expansionFunctions([key.quantized, value.quantized]),
    key.quantized ? orderFunction('key', key.quantized) : '',
    value.quantized ? orderFunction('value', value.quantized) : '',
    whole ? storeFunction('output', output, valueDim) : '',
    config.rules.code,
    config.dropout ? dropoutFunctions(false) : '',
    lengthFunctions(config.places),
    chunkFunction(config.rules.hasMask),
    whole ? finishDecodedFunction(config.sinks) : '',
    `${computeStage(subgroups * tile.subgroupSize, tile)}
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

function constants({ tile, valueDim, shortText }: DecodeMatrixConfig): string {
  return `${matrixTypes(tile.matrix)}
const rows = ${tile.rows}u;
const chunkKeys = ${tile.keys}u;
const valueVectors = ${valueDim / 4}u;
${sharedConstants(shortText)}

${pairWeightFunction}`
}

function mainBody(config: DecodeMatrixConfig): string {
  const { tile } = config
  const placed = placeText(config.places, tile.keys)
  const rows = stagedRows(config)
  const join = (...parts: readonly string[]): string =>
    parts.filter((part) => part !== '').join('\n')
  return `let subgroup = ${tile.subgroups === 1 ? '0u' : `subgroupId % ${tile.subgroups}u`};
let lane = invocation % ${tile.subgroupSize}u;
let thread = ${tile.subgroups === 1 ? 'lane' : `subgroup * ${tile.subgroupSize}u + lane`};
${beginPart(`${placed.before}${declareChunks}`, config.whole)}
let lastKey = max(${placed.walked}, 1u) - 1u; // rows past it may hold anything, so they are never read
let scale = bitcast<f32>(params.scale);
${hiddenScore}
${join(rows.registers, rows.begin)}
${stageQueries(config)}
${startChunkSoftmax(config)}
${eachOutput(config, (name) => `var ${name} = Result();`)}
${expands(config) ? `${blockRegisters}\n` : ''}${eachChunk(config, rows)}
${wholeRowSums(config)}
workgroupBarrier();
${finishRows(config)}
if (workgroupUniformLoad(&found).y != 0u) {
  storageBarrier(); // for what was stored above
${indent(carefulLoop(config), 2)}
}`
}

/** The loop over chunks; its text is there once for each of the chunks that are on their way. */
function eachChunk(config: DecodeMatrixConfig, rows: StagedRows): string {
  const ahead = chunksAhead(config)
  const one = (turn: number): string => `let firstKey = ${chunkNumber('chunk')} * chunkKeys;
${rows.keysToTile(turn)}
workgroupBarrier();
${scoreProducts(config)}
workgroupBarrier();
${rows.valuesToTile(turn)}
${chunkSoftmax(config, false)}
${outputProducts(config)}
workgroupBarrier();`
  if (ahead === 1) {
    return `for (var chunk = firstChunk; chunk < endChunk; chunk++) {
${indent(one(0), 2)}
}`
  }
  const turns = unroll(
    ahead,
    (turn) => `${turn === 0 ? '' : `if (firstOfTurns + ${turn}u < endChunk) `}{
  let chunk = firstOfTurns + ${turn}u;
${indent(one(turn), 2)}
}`,
  )
  return `for (var firstOfTurns = firstChunk; firstOfTurns < endChunk; firstOfTurns += ${ahead}u) {
${indent(turns, 2)}
}`
}

/** Queries to workgroup memory and to the matrices that all chunks meet. */
function stageQueries(config: DecodeMatrixConfig): string {
  const { tile, memory, headDim, key } = config
  const { columns } = tile.matrix
  const vectors = headDim / 4
  const four = key.quantized
    ? `vec4<f16>(${[0, 1, 2, 3]
        .map((i) => {
          const dim = `keyDim(4u * vector + ${i}u)`
          return `f16(loadQuery(queryBase, ${dim} / 4u)[${dim} % 4u])`
        })
        .join(', ')})`
    : `vec4<f16>(loadQuery(queryBase, vector % ${vectors / 2}u * 2u + vector / ${vectors / 2}u))`
  // All loads are on their way at once.
  return unroll(memory.columnBlocks, (n) => {
    const rows = Math.min(columns, tile.rows - n * columns)
    const staged = eachUnit(
      rows * vectors,
      tile.subgroupSize,
      (_, unit) => `{
  let row = min(firstRow + ${n * columns}u + ${unit} / ${vectors}u, groupRows - 1u);
  let vector = ${unit} % ${vectors}u;
  let queryBase = params.queryOffset + batch * params.queryBatch + (keyHead * params.headsPerKeyHead + row / params.queryLength) * params.queryHead + (row % params.queryLength) * params.queryRow;
  tile[subgroup][${unit} / ${vectors}u * ${memory.keyStride}u + vector] = ${four};
}`,
      'lane',
    )
    return `${staged}
workgroupBarrier();
${loadQueries(config, n)}
workgroupBarrier();`
  })
}
