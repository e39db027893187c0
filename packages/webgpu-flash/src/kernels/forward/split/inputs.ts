// What the kernels before the products have in common: they read queries, keys and values of a call in one
// dispatch, whose second axis counts the planes of a sequence: heads of queries, of keys, and of values.
import { loadFunction, storageType } from '../../../codegen/access.ts'
import type { Access } from '../../../codegen/access.ts'
import { capitalized, indent } from '../../../codegen/snippets.ts'
import { addressFields } from '../../tensor-address.ts'

/** The tensors, in the order of their planes. */
export const splitTensors = ['query', 'key', 'value'] as const
export type SplitTensor = (typeof splitTensors)[number]

/** How each is read, and its width. */
export interface SplitInputs {
  readonly accesses: Readonly<Record<SplitTensor, Access>>
  readonly headDim: number
  readonly valueDim: number
}

/** Scalar fields of both kernels. */
export const splitInputFields: readonly string[] = [
  ...addressFields(splitTensors),
  'queryLength',
  'heads',
  'kvHeads',
  // Pieces that the rows of a plane are measured in, and rows of a piece.
  'pieces',
  'queryPieceRows',
  'keyPieceRows',
]

/** Width of a tensor. */
export function splitDims({ headDim, valueDim }: SplitInputs, name: SplitTensor): number {
  return name === 'value' ? valueDim : headDim
}

/** Bindings 1 to 4: the tensors, and `data`, which has the key counts of the sequences. */
export function splitInputBindings({ accesses }: SplitInputs): string {
  const tensors = splitTensors.map(
    (name, index) =>
      `@group(0) @binding(${index + 1}) var<storage, read> ${name}: array<${storageType(accesses[name])}>;`,
  )
  return `@group(0) @binding(0) var<uniform> params: Params;
${tensors.join('\n')}
@group(0) @binding(4) var<storage, read> data: array<u32>;`
}

/** `loadQuery`, `loadKey` and `loadValue`. */
export function splitLoads(inputs: SplitInputs): string {
  return splitTensors
    .map((name) => loadFunction(name, inputs.accesses[name], splitDims(inputs, name)))
    .join('\n\n')
}

/** Declares which plane a workgroup has, and how many of its rows count. */
export const splitPlane: string = /* wgsl */ `let batch = workgroup.z;
let planes = params.heads + 2u * params.kvHeads;
let ofQueries = workgroup.y < params.heads;
let ofKeys = !ofQueries && workgroup.y < params.heads + params.kvHeads;
let rows = select(data[2u * batch + 1u], params.queryLength, ofQueries);
let head = select(workgroup.y - params.heads - select(params.kvHeads, 0u, ofKeys), workgroup.y, ofQueries);`

/** Runs `body` for the tensor of the workgroup's plane, with `base`, where the plane begins. */
export function ofPlane(body: (name: SplitTensor, load: string) => string): string {
  const each = splitTensors.map((name) => {
    const load = `load${capitalized(name)}`
    return `{
  let base = params.${name}Offset + batch * params.${name}Batch + head * params.${name}Head;
${indent(body(name, load), 2)}
}`
  })
  return `if (ofQueries) ${each[0]} else if (ofKeys) ${each[1]} else ${each[2]}`
}
