// Splits a tensor of float32 into rows of high and low float16 halves; see powers.ts. They lie as the
// kernels read them: in one piece or two of the columns, of each the high halves and then the low ones.
import { loadFunction, storageType } from '../../../codegen/access.ts'
import type { Access } from '../../../codegen/access.ts'
import { parameterBlock } from '../../parameters.ts'
import { addressFields } from '../../tensor-address.ts'
import { followsKeys, highPart, splitTensors, unpackExponents } from './powers.ts'
import type { SplitTensor } from './powers.ts'

/** Rows of a workgroup. */
export const halvedRowsAtOnce = 32
/** Threads that share a row, each taking every eighth vector of it. */
const threadsPerRow = 8

/** The name of a tensor of halves. */
export const halvesOf = (name: SplitTensor): `${SplitTensor}Halves` => `${name}Halves`

/** Pieces of the columns: keys and values are read half by half where dQ is summed. */
export const piecesOf = (name: SplitTensor): 1 | 2 => (followsKeys(name) ? 2 : 1)

/** The vector of a row of halves that holds the high halves of vector `vector` of the row. */
export function highVector(pieces: number, dims: number, vector: number): number {
  const width = dims / 4 / pieces
  return Math.floor(vector / width) * 2 * width + (vector % width)
}

/** Vectors between the high halves of four elements and their low ones. */
export const lowStep = (pieces: number, dims: number): number => dims / 4 / pieces

/** Uniform fields of the kernel; those of any name lie alike. */
export function halvesFields(name: SplitTensor | 'tensor'): readonly string[] {
  return [
    ...addressFields([name, `${name}Halves`]),
    'queryLength',
    'keyLength',
    'heads',
    'headsPerKeyHead',
    'rowTileBase',
    'headBegin',
    'batchBase',
    'exponent',
    `${name}OfKeys`,
    `${name}PieceVectors`,
  ]
}

/** Which of a head's exponents is a tensor's: the uniform field `exponent`. */
export const exponentOf = (name: SplitTensor): number => splitTensors.indexOf(name)

/** The WGSL of the kernel for one of the tensors, whatever its name: they share a text. Entry point: `main`. */
export function halveRowsKernel(access: Access, dims: number): string {
  const sections = [
    'enable f16;',
    parameterBlock(halvesFields('tensor'), 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tensor: array<${storageType(access)}>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read> powers: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> tensorHalves: array<vec4<f16>>;`,
    loadFunction('tensor', access, dims),
    unpackExponents,
    highPart,
    /* wgsl */ `@compute @workgroup_size(${halvedRowsAtOnce * threadsPerRow})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let ofKeys = params.tensorOfKeys != 0u;
  let head = params.headBegin / select(1u, params.headsPerKeyHead, ofKeys) + workgroup.y;
  let keyHead = head / select(params.headsPerKeyHead, 1u, ofKeys);
  let row = (params.rowTileBase + workgroup.x) * ${halvedRowsAtOnce}u + thread / ${threadsPerRow}u;
  if (row >= select(params.queryLength, params.keyLength, ofKeys)) { return; }
  let exponents = unpackExponents(powers[batch * (params.heads / params.headsPerKeyHead) + keyHead].y);
  let power = powerOf(exponents[params.exponent]);
  let source = params.tensorOffset + batch * params.tensorBatch + head * params.tensorHead + row * params.tensorRow;
  let destination = params.tensorHalvesOffset + batch * params.tensorHalvesBatch + head * params.tensorHalvesHead + row * params.tensorHalvesRow;
  let exists = !ofKeys || row < data[2u * batch + 1u]; // rows past the last key may hold anything
  let width = params.tensorPieceVectors;
  for (var vector = thread % ${threadsPerRow}u; vector < ${dims / 4}u; vector += ${threadsPerRow}u) {
    let value = select(vec4<f32>(), loadTensor(source, vector) * power, exists);
    let high = highPart(value);
    let place = destination + vector / width * 2u * width + vector % width;
    tensorHalves[place] = vec4<f16>(high);
    tensorHalves[place + width] = vec4<f16>(value - high);
  }
}`,
  ]
  return `${sections.join('\n\n')}\n`
}
