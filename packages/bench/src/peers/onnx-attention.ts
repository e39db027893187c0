// Attention as an ONNX model of ONNX Runtime's own operators: MultiHeadAttention, and where a mask is
// wanted GroupQueryAttention, which is causal and knows windows. Keys and values are constants, the
// query is a constant plus an input of one number, and only a corner of the result comes back: so a
// run transfers next to nothing, and nothing can be computed ahead.
import { toFloat16Array } from '@attn/core'
import { swapHeads } from './peer.ts'
import type { PeerInputs, PeerShape } from './peer.ts'
import { writeOnnx } from './onnx-writer.ts'
import type { OnnxConstant, OnnxNode } from './onnx-writer.ts'

const microsoft = 'com.microsoft'

/** The input: one float32 zero of shape `[1]`. */
export const onnxInput = 'zero'
/** The outputs: a corner of the result, and all of it as float32 `[B, L, H * D]`. */
export const onnxOutputs = { corner: 'corner', whole: 'whole' } as const

/**
 * A model of `chain` attention calls in a row.
 *
 * @throws RangeError for a masked problem whose queries and keys differ in number.
 */
export function onnxAttention(
  shape: PeerShape,
  inputs: PeerInputs,
  chain: number,
): Uint8Array<ArrayBuffer> {
  const { batch, heads, queryLength, keyLength, headDim, dtype, mask, window } = shape
  if (mask !== 'full' && queryLength !== keyLength) {
    throw new RangeError('onnxAttention: a masked problem needs as many queries as keys')
  }
  const hidden = heads * headDim
  const constant = (name: 'query' | 'key' | 'value', length: number): OnnxConstant => {
    const swapped = swapHeads(inputs[name], batch, heads, length, headDim)
    const data = new Uint8Array((dtype === 'float32' ? swapped : toFloat16Array(swapped)).buffer)
    return { name, type: dtype, shape: [batch, length, hidden], data }
  }
  const integers = (
    name: string,
    type: 'int32' | 'int64',
    values: readonly number[],
  ): OnnxConstant => {
    const data = type === 'int32' ? Int32Array.from(values) : BigInt64Array.from(values.map(BigInt))
    return { name, type, shape: [values.length], data: new Uint8Array(data.buffer) }
  }
  const cast = (from: string, to: string, type: 1 | 10): OnnxNode => ({
    operator: 'Cast',
    inputs: [from],
    outputs: [to],
    attributes: { to: { int: type } },
  })
  const ownType = dtype === 'float32' ? 1 : 10
  const call = (from: string, to: string): OnnxNode =>
    mask === 'full'
      ? {
          operator: 'MultiHeadAttention',
          domain: microsoft,
          inputs: [from, 'key', 'value'],
          outputs: [to],
          attributes: { num_heads: { int: heads } },
        }
      : {
          operator: 'GroupQueryAttention',
          domain: microsoft,
          inputs: [from, 'key', 'value', '', '', 'lastKeys', 'allKeys'],
          outputs: [to, `${to}.presentKey`, `${to}.presentValue`],
          attributes: {
            num_heads: { int: heads },
            kv_num_heads: { int: heads },
            ...(mask === 'window' ? { local_window_size: { int: window } } : {}),
          },
        }
  const names = Array.from({ length: chain + 1 }, (_, index) => `result${index}`)
  return writeOnnx({
    inputs: [{ name: onnxInput, type: 'float32', shape: [1] }],
    outputs: [
      { name: onnxOutputs.corner, type: 'float32', shape: [1, 1, 4] },
      { name: onnxOutputs.whole, type: 'float32', shape: [batch, queryLength, hidden] },
    ],
    constants: [
      constant('query', queryLength),
      constant('key', keyLength),
      constant('value', keyLength),
      integers('starts', 'int64', [0, 0, 0]),
      integers('ends', 'int64', [1, 1, 4]),
      ...(mask === 'full'
        ? []
        : [
            integers(
              'lastKeys',
              'int32',
              Array.from({ length: batch }, () => keyLength - 1),
            ),
            integers('allKeys', 'int32', [keyLength]),
          ]),
    ],
    nodes: [
      cast(onnxInput, 'nothing', ownType),
      { operator: 'Add', inputs: ['query', 'nothing'], outputs: [names[0]!] },
      ...names.slice(1).map((to, index) => call(names[index]!, to)),
      { operator: 'Slice', inputs: [names[chain]!, 'starts', 'ends'], outputs: ['cut'] },
      cast('cut', onnxOutputs.corner, 1),
      cast(names[chain]!, onnxOutputs.whole, 1),
    ],
    operatorSets: { '': 17, [microsoft]: 1 },
  })
}
