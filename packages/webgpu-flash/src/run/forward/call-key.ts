// What tells calls of a plan apart that are prepared separately.
import { numbersOf } from '@attn/core'
import type { GpuTensor } from '../../gpu-tensor.ts'
import { placesKey } from '../../plan/decode/key-places.ts'
import { forwardTensorNames } from './forward-tensors.ts'
import type { ForwardTensors } from './stage.ts'

/** All that calls to one plan may differ in. */
export function forwardCallKey(tensors: ForwardTensors): string {
  const views = forwardTensorNames.map((name) => {
    const { offset, strides }: GpuTensor = tensors[name]
    return `${offset}:${strides.join()}`
  })
  const values = Object.entries(tensors.parameters ?? {}).map((entry) => entry.join('='))
  const lengths = [tensors.keyLengths, tensors.queryOffset].map((given) =>
    typeof given === 'object' ? Array.from(numbersOf(given)).join() : given,
  )
  const { key, value } = tensors.quantized ?? {}
  return [...views, ...values, ...lengths, placesKey(tensors.places), key, value].join(';')
}
