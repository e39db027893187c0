// What computes a call of few queries: a kernel with its tile, and how it spreads keys over workgroups. Each kind has a
// file that makes it; the list of them is in decode-plan.ts.
import type { Access } from '../../codegen/access.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import type { DecodeConfig } from '../../kernels/decode/decode-config.ts'
import type { DecodeAccess } from '../../kernels/decode/decode-access.ts'
import type { QuantizedParts } from '../../quantized-tensor.ts'
import type { Call } from '../call.ts'
import type { Refusal } from '../planned.ts'
import type { DecodeIntegersTile } from './decode-integers-tile.ts'
import type { DecodeMatrixTile } from './decode-matrix-tile.ts'
import type { KeyPlaces } from './key-places.ts'
import type { DecodeSpread } from './decode-spread.ts'
import type { DecodeTile } from './decode-tile.ts'
import type { WantedDecodeTile } from './wanted-decode-tile.ts'

type View = Pick<GpuTensor, 'shape' | 'strides' | 'offset'>

/** Keys and values of a call, as far as they decide which kernel computes it. */
export interface DecodeKeys {
  readonly key: View
  readonly value: View
  readonly quantized?: QuantizedParts | undefined
  readonly places?: KeyPlaces | undefined
}

/** Tensors of a call, as far as they decide the kernel and its text. */
export interface DecodeTensors extends DecodeKeys {
  readonly query: GpuTensor
  readonly key: GpuTensor
  readonly value: GpuTensor
  readonly output: GpuTensor
}

/** How they are read. */
export interface DecodeAccesses {
  readonly query: Access
  readonly key: DecodeAccess
  readonly value: DecodeAccess
  readonly output: Access
}

/** What decides the text of any kernel, beside its tile. */
export type DecodeTextConfig = Omit<DecodeConfig, 'tile' | 'memory'>

/** A kernel of one kind, with a tile in its words. */
interface KernelOf<Kind extends string, Tile> extends DecodeSpread {
  readonly kind: Kind
  readonly tile: Tile
  /** Threads of a workgroup, and what memory it shares. */
  readonly threads: number
  readonly workgroupBytes: number
  /** What the sums of its parts are divided by when they merge. */
  readonly slots: number
  /** Why it is preferred to others, in words; empty for the one that reads any tensors. */
  readonly preferred: string
  /** Whether it reads tensors that lie so. */
  suits(tensors: DecodeKeys): boolean
  accesses(tensors: DecodeTensors): DecodeAccesses
  /** The WGSL. */
  text(config: DecodeTextConfig): string
}

/** In plain WGSL: threads share keys. */
export type ThreadsKernel = KernelOf<'threads', DecodeTile>
/** On subgroup matrices. */
export type DecodeMatrixKernel = KernelOf<'matrix', DecodeMatrixTile>

/** On products of signed bytes: of blocks. */
export type DecodeIntegersKernel = KernelOf<'integers', DecodeIntegersTile>

/** A kernel of any kind. */
export type DecodeKernel = ThreadsKernel | DecodeMatrixKernel | DecodeIntegersKernel

/** Makes the kernel of one kind for a call on a device, or says why there is none. */
export type DecodeFamily = (
  call: Call,
  wanted: WantedDecodeTile,
  capabilities: Capabilities,
) => DecodeKernel | Refusal
