// One rotation of a tensor in numbers: cut into dispatches that bindings and workgroup counts allow,
// each with its uniform block.
import { UnsupportedError } from '@attn/core'
import type { QuantizedType, RotaryEmbedding } from '@attn/core'
import type { Access } from '../../codegen/access.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { blockPairs, quantizeRowsKernel } from '../../kernels/cache/quantize-rows.wgsl.ts'
import { floatWord, packParameters } from '../../kernels/parameters.ts'
import { addressValues } from '../../kernels/tensor-address.ts'
import {
  headsPerThread,
  rotateFields,
  rotateKernel,
  rotateThreads,
  unitsOf,
} from '../../kernels/rotate/rotate.wgsl.ts'
import type { AppendConfig } from '../../kernels/rotate/appended-row.ts'
import type { RotateConfig } from '../../kernels/rotate/rotate.wgsl.ts'
import { boundRange } from '../dispatch.ts'
import type { BoundRange, Range } from '../dispatch.ts'
import type { PositionWords } from './rotary-words.ts'

/** What a rotation is made for. */
export interface RotationProblem {
  readonly rotary: RotaryEmbedding
  readonly positions: PositionWords
  /** 1 turns by the positions, -1 back: the adjoint, for gradients. */
  readonly direction: 1 | -1
  /** How rows are appended to a cache; see {@link RotateConfig}. Default: they are not. */
  readonly appends?: AppendConfig | undefined
  /** Set where rows are appended as blocks, which `output` then has the words of. Default: they are not. */
  readonly quantized?: QuantizedType | undefined
  /** `[B, H, L, D]`, the same shape and dtype; a cache has rows of its own number. */
  readonly input: GpuTensor
  readonly output: GpuTensor
  readonly accesses: { readonly input: Access; readonly output: Access }
}

/** What it depends on of the device. */
export interface RotationLimits {
  readonly maxComputeWorkgroupsPerDimension: number
  readonly maxStorageBufferBindingSize: number
  readonly minStorageBufferOffsetAlignment: number
}

/** One dispatch. */
export interface RotationDispatch {
  readonly words: Uint32Array<ArrayBuffer>
  readonly input: BoundRange
  readonly output: BoundRange
  readonly workgroups: readonly [x: number, y: number, z: number]
}

/** A rotation, ready for a device. */
export interface PlannedRotation {
  readonly code: string
  readonly dispatches: readonly RotationDispatch[]
}

interface Box {
  readonly batches: Range
  readonly heads: Range
  readonly rows: Range
}

/**
 * Plans a rotation.
 *
 * @throws UnsupportedError when a single row spans more than a binding may.
 */
export function planRotation(
  caller: string,
  problem: RotationProblem,
  limits: RotationLimits,
): PlannedRotation {
  const { rotary, input, accesses } = problem
  const [batch, heads, length, headDim] = input.shape as [number, number, number, number]
  const { rotaryDim, layout } = rotary
  const { appends, quantized: type } = problem
  const config: RotateConfig = { headDim, rotaryDim, layout, appends, ...accesses }
  const code =
    type && appends
      ? quantizeRowsKernel({ headDim, rotaryDim, layout, appends, input: accesses.input, type })
      : rotateKernel(config)
  const all: Box = {
    batches: { start: 0, end: batch },
    heads: { start: 0, end: heads },
    rows: { start: 0, end: length },
  }
  const parts = split(caller, all, problem, config, limits)
  return {
    code,
    dispatches: parts.map((box) => ({
      ...rangesOf(box, problem, limits),
      words: blockOf(box, problem, limits),
      workgroups: workgroupsOf(box, problem, config),
    })),
  }
}

const count = ({ start, end }: Range): number => end - start

function workgroupsOf(
  { batches, heads, rows }: Box,
  { quantized }: RotationProblem,
  config: RotateConfig,
): [number, number, number] {
  if (quantized) {
    const pairs = count(rows) * blockPairs(config.headDim)
    return [Math.ceil(pairs / rotateThreads), count(heads), count(batches)]
  }
  return [
    Math.ceil((count(rows) * unitsOf(config)) / rotateThreads),
    Math.ceil(count(heads) / headsPerThread),
    count(batches),
  ]
}

function rangesOf(
  { batches, heads, rows }: Box,
  { input, output, appends }: RotationProblem,
  { minStorageBufferOffsetAlignment }: RotationLimits,
): { readonly input: BoundRange; readonly output: BoundRange } {
  const range = (view: GpuTensor, ownRows: Range): BoundRange =>
    boundRange(
      { view, elementBytes: elementBytes(view.dtype), follows: 'queries' },
      minStorageBufferOffsetAlignment,
      batches,
      heads,
      ownRows,
    )
  const written = appends ? { start: 0, end: output.shape[2]! } : rows
  const read = appends?.leftPadded ? { start: 0, end: input.shape[2]! } : rows
  return { input: range(input, read), output: range(output, written) }
}

function split(
  caller: string,
  box: Box,
  problem: RotationProblem,
  config: RotateConfig,
  limits: RotationLimits,
): Box[] {
  const { input, output } = rangesOf(box, problem, limits)
  const mostBytes = limits.maxStorageBufferBindingSize
  const tooLarge = input.size > mostBytes || output.size > mostBytes
  const [x, y, z] = workgroupsOf(box, problem, config)
  const most = limits.maxComputeWorkgroupsPerDimension
  const axes: readonly (readonly [keyof Box, boolean])[] = [
    ['batches', z > most],
    ['heads', y > most],
    ['rows', x > most],
  ]
  const axis =
    axes.find(([, tooMany]) => tooMany)?.[0] ??
    (tooLarge ? axes.find(([name]) => count(box[name]) > 1)?.[0] : undefined)
  if (axis === undefined) {
    if (!tooLarge) return [box]
    throw new UnsupportedError(
      `${caller}: a single row spans more than the device's maxStorageBufferBindingSize=${mostBytes} bytes; use contiguous tensors or request a larger limit`,
    )
  }
  const { start, end } = box[axis]
  const middle = start + Math.ceil((end - start) / 2)
  return [
    { ...box, [axis]: { start, end: middle } },
    { ...box, [axis]: { start: middle, end } },
  ].flatMap((part) => split(caller, part, problem, config, limits))
}

function blockOf(
  box: Box,
  problem: RotationProblem,
  limits: RotationLimits,
): Uint32Array<ArrayBuffer> {
  const { rotary, positions, direction, accesses } = problem
  const ranges = rangesOf(box, problem, limits)
  const values: Record<string, number> = {
    batchBase: box.batches.start,
    headBase: box.heads.start,
    headEnd: box.heads.end,
    rowBase: box.rows.start,
    rowEnd: box.rows.end,
    positionBatch: positions.batchStep,
    positionRow: positions.rowStep,
    positionStep: positions.growth,
    factor: floatWord(rotary.attentionFactor),
    direction: floatWord(direction),
  }
  for (const name of ['input', 'output'] as const) {
    const view = problem[name]
    const words = name === 'output' && problem.quantized !== undefined
    const unit = words ? 2 : accesses[name].vector ? 4 : 1
    Object.assign(values, addressValues(name, view, unit, ranges[name].offset))
  }
  return packParameters(rotateFields, values, new Uint32Array(0), new Uint32Array(0))
}
