// The tensors that a forward pass writes, made where the caller gives none.
import type { BufferPool } from '../../device/buffers.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { outputStrides } from '../../plan/contiguous-tensors.ts'
import type { Call } from '../../plan/call.ts'
import type { ForwardOutputs, ForwardRequest } from './forward-tensors.ts'

/** Runs `fill` with new tensors for those that were not given, which are freed where it throws. */
export type OutputMaker = (
  given: Pick<ForwardRequest, 'output' | 'logSumExp' | 'rowMaximum'>,
  fill: (outputs: ForwardOutputs) => void,
) => ForwardOutputs

/** Makes outputs of a plan. */
export function createOutputMaker(
  { shape, dtype }: Pick<Call, 'shape' | 'dtype'>,
  buffers: BufferPool,
  nativeFloat16: boolean,
): OutputMaker {
  const createOutput = (): GpuTensor => {
    const { batch, heads, queryLength, valueDim } = shape
    const strides = outputStrides(shape, dtype, nativeFloat16)
    return {
      dtype,
      shape: [batch, heads, queryLength, valueDim],
      strides,
      offset: 0,
      storage: buffers.allocate('output', batch * strides[0]! * elementBytes(dtype)),
    }
  }
  const createRows = (label: string): GpuTensor => {
    const { batch, heads, queryLength } = shape
    return {
      dtype: 'float32',
      shape: [batch, heads, queryLength],
      strides: [heads * queryLength, queryLength, 1],
      offset: 0,
      storage: buffers.allocate(label, batch * heads * queryLength * 4),
    }
  }
  return (given, fill) => {
    const made: GpuTensor[] = []
    const make = (create: () => GpuTensor): GpuTensor => {
      const view = create()
      made.push(view)
      return view
    }
    try {
      const { rowMaximum = false } = given
      const outputs = {
        output: given.output ?? make(createOutput),
        logSumExp: given.logSumExp ?? make(() => createRows('log-sum-exp')),
        ...(rowMaximum === false
          ? {}
          : {
              rowMaximum: rowMaximum === true ? make(() => createRows('row maxima')) : rowMaximum,
            }),
      }
      fill(outputs)
      return outputs
    } catch (error) {
      made.forEach(({ storage }) => buffers.release(storage))
      throw error
    }
  }
}
