// Attention as an ONNX model of ONNX Runtime's own operators: MultiHeadAttention, and where a mask is
// wanted or heads share keys GroupQueryAttention, which is causal and knows windows. Keys and values are constants, the
// query is a constant plus an input of one number, and only a corner of the result comes back: so a
// run transfers next to nothing, and nothing can be computed ahead.
import { rangeError, shapeError, toFloat16Array } from '@attn/core'
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
 * @throws RangeError for a masked problem whose queries and keys differ in number, and for heads that
 *   share keys where several queries see all of them.
 */
export function onnxAttention(
  shape: PeerShape,
  inputs: PeerInputs,
  chain: number,
): Uint8Array<ArrayBuffer> {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, dtype, mask, window } = shape
  if (mask !== 'full' && queryLength !== keyLength) {
    throw shapeError('onnxAttention: a masked problem needs as many queries as keys')
  }
  const hidden = heads * headDim
  const grouped = mask === 'full' && kvHeads !== heads
  if (grouped && queryLength !== 1) {
    throw rangeError('onnxAttention: heads that share keys are causal in ONNX Runtime')
  }
  const bytesOf = (data: Float32Array<ArrayBuffer>): Uint8Array =>
    new Uint8Array((dtype === 'float32' ? data : toFloat16Array(data)).buffer)
  // Contests are in these two.
  const ownElements = dtype === 'float32' ? 'float32' : 'float16'
  const constant = (
    name: 'query' | 'key' | 'value',
    data: Float32Array,
    ownHeads: number,
    length: number,
  ): OnnxConstant => ({
    name,
    type: ownElements,
    shape: [batch, length, ownHeads * headDim],
    data: bytesOf(swapHeads(data, batch, ownHeads, length, headDim)),
  })
  // One query with a cache: all keys but the last are the past, which the operator copies.
  const cache = (name: 'key' | 'value'): OnnxConstant[] => {
    const { past, last } = splitLast(inputs[name], batch * kvHeads, keyLength, headDim)
    const sizes = [batch, kvHeads, keyLength - 1, headDim]
    return [
      constant(name, last, kvHeads, 1),
      { name: `${name}.past`, type: ownElements, shape: sizes, data: bytesOf(past) },
    ]
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
    mask === 'full' && !grouped
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
          inputs: [
            from,
            'key',
            'value',
            grouped ? 'key.past' : '',
            grouped ? 'value.past' : '',
            'lastKeys',
            'allKeys',
          ],
          outputs: [to, `${to}.presentKey`, `${to}.presentValue`],
          attributes: {
            num_heads: { int: heads },
            kv_num_heads: { int: kvHeads },
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
      constant('query', inputs.query, heads, queryLength),
      ...(grouped
        ? [...cache('key'), ...cache('value')]
        : (['key', 'value'] as const).map((name) =>
            constant(name, inputs[name], kvHeads, keyLength),
          )),
      integers('starts', 'int64', [0, 0, 0]),
      integers('ends', 'int64', [1, 1, 4]),
      ...(mask === 'full' && !grouped
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

/** Rows `[heads, length, D]` apart: all but the last of each head, and those. */
function splitLast(
  data: Float32Array,
  heads: number,
  length: number,
  headDim: number,
): { readonly past: Float32Array<ArrayBuffer>; readonly last: Float32Array<ArrayBuffer> } {
  const before = (length - 1) * headDim
  const past = new Float32Array(heads * before)
  const last = new Float32Array(heads * headDim)
  for (let head = 0; head < heads; head++) {
    const first = head * length * headDim
    past.set(data.subarray(first, first + before), head * before)
    last.set(data.subarray(first + before, first + before + headDim), head * headDim)
  }
  return { past, last }
}
