// The uniform block of the forward kernels: everything that changes from call to call, so that one
// pipeline serves every length, stride and offset. The text and the writer are made from one list.
import { addressFields } from './tensor-address.ts'
import { dropoutFields } from './tile/dropout.ts'

/** Tensors a forward kernel addresses through the block. */
export const forwardTensors = ['query', 'key', 'value', 'output'] as const

/** Scalar fields in the order they lie in the block. */
export const forwardFields: readonly string[] = [
  ...addressFields(forwardTensors),
  'logSumExpOffset',
  'queryLength',
  'keyLength',
  'heads',
  'headsPerKeyHead',
  // The part of the work this dispatch does; see plan/dispatch.ts.
  'queryTileBase',
  'headBase',
  'batchBase',
  'keyTileBegin',
  'keyTileEnd',
  'mergeWithOutput',
  // Where rows begin in the block map, and how they are shared between heads and sequences.
  'mapQueryTiles',
  'mapHeads',
  'mapBatches',
  'mapRunsBase',
  'mapOrderBase',
  // Bits of floats.
  'scale',
  'negativeInfinity',
]

/** What a kernel may do besides: each takes fields of its own, so that others need not carry them. */
export interface OptionalFields {
  /** Whether a logit for each head joins the softmax. */
  readonly sinks: boolean
  readonly dropout: boolean
}

/** The fields of a kernel's block: those of all kernels of its kind, and of what it does besides. */
export function withOptionalFields(
  fields: readonly string[],
  { sinks, dropout }: OptionalFields,
): readonly string[] {
  return [...fields, ...(sinks ? ['sinkBase'] : []), ...(dropout ? dropoutFields : [])]
}

/** WGSL of the block; scalars are u32 words, floats among them are read with bitcast. */
export function parameterBlock(
  fields: readonly string[],
  descriptorWords: number,
  parameterWords: number,
): string {
  const arrays = [
    ['tables', descriptorWords],
    ['parameters', parameterWords],
  ] as const
  return [
    'struct Params {',
    ...fields.map((field) => `  ${field}: u32,`),
    ...arrays.flatMap(([name, words]) =>
      words > 0 ? [`  @align(16) ${name}: array<vec4<u32>, ${Math.ceil(words / 4)}>,`] : [],
    ),
    '}',
  ].join('\n')
}

/** The words of the block, in the layout that `parameterBlock` declares. */
export function packParameters(
  fields: readonly string[],
  values: Readonly<Record<string, number>>,
  descriptors: Uint32Array,
  parameters: Uint32Array,
): Uint32Array<ArrayBuffer> {
  const roundUp = (count: number): number => Math.ceil(count / 4) * 4
  const scalars = roundUp(fields.length)
  const words = new Uint32Array(scalars + roundUp(descriptors.length) + roundUp(parameters.length))
  fields.forEach((field, index) => {
    words[index] = values[field]!
  })
  words.set(descriptors, scalars)
  words.set(parameters, scalars + roundUp(descriptors.length))
  return words
}

const floatBits = new Float32Array(1)
const wordBits = new Uint32Array(floatBits.buffer)

/** The bits of a float32 as a word. */
export function floatWord(value: number): number {
  floatBits[0] = value
  return wordBits[0]!
}
