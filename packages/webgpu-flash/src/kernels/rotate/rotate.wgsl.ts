// Rotary position embedding (RoFormer, arXiv 2104.09864): turns pairs of elements of every row by its
// position. Of angles as floats, a long sequence would lose the digits that matter: see angles.ts.
import {
  loadFunction,
  storageType,
  storeFunction,
  unpackFunctions,
  usesFloat16,
} from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { indent } from '../../codegen/snippets.ts'
import { multiplyHighFunction } from '../multiply-high.ts'
import { angleFunctions } from './angles.ts'
import { appendedRow } from './appended-row.ts'
import type { AppendConfig } from './appended-row.ts'
import { turnedVector } from './turned-vector.ts'
import { addressFields } from '../tensor-address.ts'
import { parameterBlock } from '../parameters.ts'
import type { RotaryLayout } from '@attn/core'

/** All that decides the text of the kernel. */
export interface RotateConfig {
  readonly headDim: number
  readonly rotaryDim: number
  readonly layout: RotaryLayout
  readonly input: Access
  readonly output: Access
  /** How rows are appended to a cache, of which `positions` tells; see appended-row.ts. Default: they are not. */
  readonly appends?: AppendConfig | undefined
}

/** Threads of a workgroup, along rows and their units. */
export const rotateThreads = 64

/** Heads a thread turns by the same angles, which cost more than the turning. */
export const headsPerThread = 4

/** Scalar fields of the uniform block. */
export const rotateFields: readonly string[] = [
  ...addressFields(['input', 'output']),
  // The part of the tensor that this dispatch turns.
  'batchBase',
  'headBase',
  'headEnd',
  'rowBase',
  'rowEnd',
  // Position of a row: entry batch * positionBatch + row * positionRow, plus row * positionStep.
  'positionBatch',
  'positionRow',
  'positionStep',
  // Bits of floats.
  'factor',
  'direction',
]

/** Whether pairs lie such that vectors of four turn as wholes. */
const turnsWholeVectors = ({ rotaryDim }: RotateConfig): boolean => rotaryDim % 8 === 0

/** Units of work in a row: four pairs or a vector to copy; else one vector each. */
export function unitsOf(config: RotateConfig): number {
  const vectors = Math.ceil(config.headDim / 4)
  return turnsWholeVectors(config) ? vectors - config.rotaryDim / 8 : vectors
}

/** The WGSL of the kernel. Entry point: `main`. */
export function rotateKernel(config: RotateConfig): string {
  const { input, output, headDim } = config
  const native = [input, output].some(usesFloat16)
  const sections = [
    native ? 'enable f16;' : '',
    parameterBlock(rotateFields, 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<${storageType(input)}>;
@group(0) @binding(2) var<storage, read_write> output: array<${storageType(output)}>;
// Turns per position of all pairs: the first 32 bits after the point, the next 32, whole turns.
@group(0) @binding(3) var<storage, read> frequencies: array<vec4<u32>>;
${
  config.appends
    ? `// Of each sequence where its rows go.
@group(0) @binding(4) var<storage, read> positions: array<u32>;`
    : `// Positions: a whole number and 32 bits after the point.
@group(0) @binding(4) var<storage, read> positions: array<vec2<u32>>;`
}`,
    `const units = ${unitsOf(config)}u;
const headsPerThread = ${headsPerThread}u;
const frequencyVectors = ${Math.ceil(config.rotaryDim / 8)}u;`,
    unpackFunctions([input, output]),
    loadFunction('input', input, headDim),
    storeFunction('output', output, headDim),
    multiplyHighFunction,
    angleFunctions,
    mainFunction(config),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function mainFunction(config: RotateConfig): string {
  return `@compute @workgroup_size(${rotateThreads})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let unit = id.x % units;
  let row = params.rowBase + id.x / units;
  if (row >= params.rowEnd) { return; }
  let batch = params.batchBase + id.z;
  let firstHead = params.headBase + id.y * headsPerThread;
  let endHead = min(firstHead + headsPerThread, params.headEnd);
${indent(config.appends ? appendedRow(config.appends) : plainRow, 2)}
  let inputRow = params.inputOffset + batch * params.inputBatch + ${config.appends ? 'inputOf' : 'row'} * params.inputRow;
  let outputRow = params.outputOffset + batch * params.outputBatch + place * params.outputRow;
${indent(turnsWholeVectors(config) ? wholeVectors(config) : singleElements(config), 2)}
}`
}

const plainRow = `let given = positions[params.positionBatch * batch + params.positionRow * row];
let position = vec2<u32>(given.x + params.positionStep * row, given.y);
let place = row;`

/** A loop over the thread's heads, where `inputBase` and `outputBase` are the row of one. */
const eachHead = (body: string): string => `for (var head = firstHead; head < endHead; head++) {
  let inputBase = inputRow + head * params.inputHead;
  let outputBase = outputRow + head * params.outputHead;
${indent(body, 2)}
}`

/** A unit is four neighbouring pairs, in two vectors, or a vector past the rotary dims. */
function wholeVectors({ layout, rotaryDim, headDim }: RotateConfig): string {
  const turning = rotaryDim / 8
  const half = layout === 'half'
  const [first, second] = half ? ['unit', `unit + ${turning}u`] : ['2u * unit', '2u * unit + 1u']
  const turn = `let a = loadInput(inputBase, ${first});
let b = loadInput(inputBase, ${second});
${half ? 'let x = a;\nlet y = b;' : 'let x = vec4<f32>(a.xz, b.xz);\nlet y = vec4<f32>(a.yw, b.yw);'}
let u = x * turn.cosine - y * turn.sine;
let v = x * turn.sine + y * turn.cosine;
storeOutput(outputBase, ${first}, ${half ? 'u' : 'vec4<f32>(u.x, v.x, u.y, v.y)'});
storeOutput(outputBase, ${second}, ${half ? 'v' : 'vec4<f32>(u.z, v.z, u.w, v.w)'});`
  const copy = `if (unit >= ${turning}u) {
  let vector = unit + ${turning}u;
${indent(eachHead('storeOutput(outputBase, vector, loadInput(inputBase, vector));'), 2)}
  return;
}`
  const angles =
    'let turn = turnOf(position, frequencies[unit], frequencies[frequencyVectors + unit], frequencies[2u * frequencyVectors + unit]);'
  if (rotaryDim === 0) return eachHead('storeOutput(outputBase, unit, loadInput(inputBase, unit));')
  return [rotaryDim < headDim ? copy : '', angles, eachHead(turn)]
    .filter((part) => part !== '')
    .join('\n')
}

/** A unit is a vector of the output. */
function singleElements(config: RotateConfig): string {
  const { before, loads, value } = turnedVector(config)
  return `${before}
${eachHead(`${loads}
storeOutput(outputBase, unit, ${value});`)}`
}
