// ONNX models as bytes, without a protobuf library: of the format's messages only the fields that a
// graph of a few nodes with constant tensors needs. Field numbers: onnx.proto3 of onnx/onnx.
import { rangeError } from '@attn/core'

/** Element types by their number in `TensorProto.DataType`. */
export const onnxTypes = { float32: 1, int32: 6, int64: 7, float16: 10 } as const
/** An element type. */
export type OnnxType = keyof typeof onnxTypes

/** An input or output of the graph. */
export interface OnnxValue {
  readonly name: string
  readonly type: OnnxType
  readonly shape: readonly number[]
}

/** A constant; `data` holds its elements, little-endian. */
export interface OnnxConstant extends OnnxValue {
  readonly data: Uint8Array
}

/** An attribute: `int` and `float` are stored apart, so that 1 can be either. */
export type OnnxAttribute = { readonly int: number } | { readonly float: number }

/** One operation. Empty input names stand for inputs left out. */
export interface OnnxNode {
  readonly operator: string
  /** Default: the standard operators. */
  readonly domain?: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
}

/** A whole model. */
export interface OnnxModel {
  readonly nodes: readonly OnnxNode[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly constants: readonly OnnxConstant[]
  /** Version of each operator domain, '' for the standard operators. */
  readonly operatorSets: Readonly<Record<string, number>>
}

// Wire types of protobuf: variable-length integer, length-prefixed bytes, four bytes.
const varintWire = 0
const bytesWire = 2
const fixedWire = 5
const attributeKinds = { float: 1, int: 2 } as const

/** A message as pieces, so that large tensors are copied once, at the end. */
type Message = readonly Uint8Array[]

const encoder = new TextEncoder()

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  // Division and not shifts: lengths may pass 2^31.
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest])
    bytes.push((rest % 128) | 128)
  }
}

const tag = (field: number, wire: number): Uint8Array => varint(field * 8 + wire)
const integer = (field: number, value: number): Message => [tag(field, varintWire), varint(value)]
const sizeOf = (message: Message): number => message.reduce((sum, { length }) => sum + length, 0)
const nested = (field: number, message: Message): Message => [
  tag(field, bytesWire),
  varint(sizeOf(message)),
  ...message,
]
const text = (field: number, value: string): Message => nested(field, [encoder.encode(value)])

function float(field: number, value: number): Message {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  return [tag(field, fixedWire), bytes]
}

function valueInfo(field: number, { name, type, shape }: OnnxValue): Message {
  const dims = shape.flatMap((size) => nested(1, integer(1, size)))
  const tensorType = [...integer(1, onnxTypes[type]), ...nested(2, dims)]
  return nested(field, [...text(1, name), ...nested(2, nested(1, tensorType))])
}

function constantTensor(field: number, { name, type, shape, data }: OnnxConstant): Message {
  return nested(field, [
    ...shape.flatMap((size) => integer(1, size)),
    ...integer(2, onnxTypes[type]),
    ...text(8, name),
    ...nested(9, [data]),
  ])
}

function attribute(name: string, value: OnnxAttribute): Message {
  const stored =
    'int' in value
      ? [...integer(3, value.int), ...integer(20, attributeKinds.int)]
      : [...float(2, value.float), ...integer(20, attributeKinds.float)]
  return nested(5, [...text(1, name), ...stored])
}

function node({ operator, domain = '', inputs, outputs, attributes = {} }: OnnxNode): Message {
  return nested(1, [
    ...inputs.flatMap((name) => text(1, name)),
    ...outputs.flatMap((name) => text(2, name)),
    ...text(4, operator),
    ...Object.entries(attributes).flatMap(([name, value]) => attribute(name, value)),
    ...text(7, domain),
  ])
}

/**
 * Writes a model in ONNX's file format.
 *
 * @throws RangeError when the tensors make it 2 GiB or more, which protobuf cannot hold.
 */
export function writeOnnx(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const graph = [
    ...model.nodes.flatMap(node),
    ...text(2, 'attn'),
    ...model.constants.flatMap((constant) => constantTensor(5, constant)),
    ...model.inputs.flatMap((value) => valueInfo(11, value)),
    ...model.outputs.flatMap((value) => valueInfo(12, value)),
  ]
  const operatorSets = Object.entries(model.operatorSets).flatMap(([domain, version]) =>
    nested(8, [...text(1, domain), ...integer(2, version)]),
  )
  const message = [...integer(1, 9), ...text(2, 'attn'), ...nested(7, graph), ...operatorSets]
  const size = sizeOf(message)
  if (size >= 2 ** 31) throw rangeError(`writeOnnx: a model holds below 2 GiB, got ${size}`)
  const bytes = new Uint8Array(size)
  let at = 0
  for (const piece of message) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}
