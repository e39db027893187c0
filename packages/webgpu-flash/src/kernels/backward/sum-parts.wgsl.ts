// The last step of a gradient whose rows are few and meet many tokens: several workgroups have summed parts of
// them, each into a copy of its own (FlashAttention-2's deterministic backward does the same with keys
// outside). The copies are added in their order, so that results are the same from run to run. Of no copies
// the sum is 0: so rows begin that no pass of a sparse mask would write. And of a float32 total, in which many
// dispatches have added up, it is the total, rounded once.
import { capitalized } from '../../codegen/snippets.ts'
import {
  loadFunction,
  storageType,
  storeFunction,
  unpackFunctions,
  usesFloat16,
} from '../../codegen/access.ts'
import type { Access } from '../../codegen/access.ts'
import { parameterBlock } from '../parameters.ts'
import { addressFields } from '../tensor-address.ts'

/** Rows of a workgroup. */
export const summedRows = 16
/** Threads that share a row, each taking every eighth vector of it. */
const threadsPerRow = 8

/** The copies, as a tensor of float32. */
export const partsAccess = (dims: number): Access => ({
  dtype: 'float32',
  nativeFloat16: false,
  vector: dims % 4 === 0,
})

/** A gradient that several workgroups may share. */
export type SharedGradient = 'dQuery' | 'dKey' | 'dValue'
/** Its copies. */
export type GradientParts = `${SharedGradient}Parts`
/** Its sum in float32. */
export type GradientTotal = `${SharedGradient}Total`

/** Uniform fields of the kernel. */
export const sumPartsFields = (
  name: SharedGradient,
  from: SumPartsConfig['from'],
): readonly string[] => [
  ...addressFields([`${name}${from ?? 'Parts'}`, name]),
  'queryLength',
  'keyLength',
  'heads',
  'headsPerKeyHead',
  'rowTileBase',
  'headBegin',
  'batchBase',
  'accumulate',
  'parts',
  `${name}PartSize`,
]

/** What decides the text of the kernel. */
export interface SumPartsConfig {
  readonly name: SharedGradient
  readonly access: Access
  readonly dims: number
  /** What is summed: copies, or a total. Default: nothing, so that rows become 0. */
  readonly from?: 'Parts' | 'Total' | undefined
  /**
   * WGSL of the functions that find the tokens of slots, by which copies are counted. Default: rows are tokens.
   */
  readonly tokens?: string | undefined
}

/** The WGSL of the kernel. Entry point: `main`. */
export function sumPartsKernel({ name, access, dims, from, tokens }: SumPartsConfig): string {
  const parts = partsAccess(dims)
  const capital = capitalized(name)
  const ofKeys = name !== 'dQuery'
  const place = (of: string, row: string): string =>
    `params.${of}Offset + batch * params.${of}Batch + head * params.${of}Head + ${row} * params.${of}Row`
  const sums = {
    none: '',
    Parts: `
    if (params.accumulate != 0u) { sum = load${capital}(base, vector); }
    for (var part = 0u; part < params.parts; part++) {
      sum += load${capital}Parts(first + part * params.${name}PartSize, vector);
    }`,
    Total: `\n    sum = load${capital}Total(first, vector);`,
  }
  const sections = [
    usesFloat16(access) ? 'enable f16;' : '',
    parameterBlock(sumPartsFields(name, from), 0, 0),
    `@group(0) @binding(0) var<uniform> params: Params;
${from ? `@group(0) @binding(1) var<storage, read> ${name}${from}: array<${storageType(parts)}>;\n` : ''}@group(0) @binding(${from ? 2 : 1}) var<storage, read_write> ${name}: array<${storageType(access)}>;`,
    unpackFunctions([access]),
    from ? loadFunction(`${name}${from}`, parts, dims) : '',
    from === 'Parts' ? loadFunction(name, access, dims) : '',
    storeFunction(name, access, dims),
    tokens ?? '',
    /* wgsl */ `@compute @workgroup_size(${summedRows * threadsPerRow})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  let batch = params.batchBase + workgroup.z;
  let head = params.headBegin${ofKeys ? ' / params.headsPerKeyHead' : ''} + workgroup.y;
  let row = (params.rowTileBase + workgroup.x) * ${summedRows}u + thread / ${threadsPerRow}u;
  let token = ${tokens === undefined ? 'row' : `${ofKeys ? 'key' : 'query'}Token(row)`};
  if (token >= params.${ofKeys ? 'key' : 'query'}Length) { return; }
${from ? `  let first = ${place(`${name}${from}`, 'row')};\n` : ''}  let base = ${place(name, 'token')};
  for (var vector = thread % ${threadsPerRow}u; vector < ${Math.ceil(dims / 4)}u; vector += ${threadsPerRow}u) {
    var sum = vec4<f32>();${sums[from ?? 'none']}
    store${capital}(base, vector, sum);
  }
}`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}
