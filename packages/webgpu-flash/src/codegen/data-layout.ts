// Where tables, relations and per-call parameters of an expression lie on the GPU. All tables share
// one storage buffer `data` (devices guarantee only eight storage buffers a shader), whose places
// and shapes travel in the uniform block, so that a longer table needs no new pipeline.
import { dependencies } from '@attn/core'
import type { ExpressionNode, Parameter, Relation, Table } from '@attn/core'
import type { HelperName } from './helpers.ts'

/** What the generated text and the buffer writer agree on. */
export interface DataLayout {
  readonly tables: readonly Table[]
  readonly relations: readonly Relation[]
  readonly parameters: readonly Parameter[]
  /** Words of the uniform array `params.tables`: base and shape of every table, base of relations. */
  readonly descriptorWords: number
  lookupText(table: Table, indices: readonly string[], helpers: Set<HelperName>): string
  containsText(relation: Relation, row: string, member: string, helpers: Set<HelperName>): string
  parameterText(parameter: Parameter): string
}

/** The packed `data` buffer and the descriptor words that say where things are in it. */
export interface PackedData {
  readonly words: Uint32Array<ArrayBuffer>
  readonly descriptors: Uint32Array<ArrayBuffer>
}

/** Text of one word of an array of vec4<u32> in the uniform block. */
const uniformWord = (array: string, index: number): string =>
  `params.${array}[${index >> 2}].${'xyzw'[index & 3]}`

/** Lays out everything the expressions depend on. */
export function dataLayout(nodes: readonly ExpressionNode[]): DataLayout {
  const found = nodes.map(dependencies)
  const tables = [...new Set(found.flatMap((one) => one.tables))]
  const relations = [...new Set(found.flatMap((one) => one.relations))]
  const parameters = uniqueParameters(found.flatMap((one) => one.parameters))
  const places = new Map<Table | Relation, number>()
  let descriptorWords = 0
  for (const table of tables) {
    places.set(table, descriptorWords)
    descriptorWords += 1 + table.shape.length
  }
  for (const relation of relations) {
    places.set(relation, descriptorWords)
    descriptorWords += 1
  }
  return {
    tables,
    relations,
    parameters,
    descriptorWords,
    lookupText: (table, indices, helpers) => {
      helpers.add('clampIndex')
      const place = places.get(table)!
      const flat = indices
        .map((index, axis) => `clampIndex(${index}, ${uniformWord('tables', place + 1 + axis)})`)
        .reduce(
          (sum, index, axis) => `(${sum} * ${uniformWord('tables', place + 1 + axis)} + ${index})`,
        )
      const base = uniformWord('tables', place)
      if (table.type === 'boolean') {
        helpers.add('tableBit')
        return `tableBit(${base}, ${flat})`
      }
      return `bitcast<${table.type === 'float' ? 'f32' : 'i32'}>(data[${base} + ${flat}])`
    },
    containsText: (relation, row, member, helpers) => {
      helpers.add('relationContains')
      return `relationContains(${uniformWord('tables', places.get(relation)!)}, ${row}, ${member})`
    },
    parameterText: (parameter) => {
      const index = parameters.findIndex(({ name }) => name === parameter.name)
      const word = uniformWord('parameters', index)
      return `bitcast<${parameter.type === 'float' ? 'f32' : 'i32'}>(${word})`
    },
  }
}

function uniqueParameters(parameters: readonly Parameter[]): Parameter[] {
  const byName = new Map<string, Parameter>()
  for (const parameter of parameters) {
    const other = byName.get(parameter.name)
    if (other && other.type !== parameter.type) {
      throw new TypeError(`flash.plan: parameter ${parameter.name} is used as integer and as float`)
    }
    byName.set(parameter.name, parameter)
  }
  return [...byName.values()]
}

const largestFloat = 3.4028234663852886e38

/**
 * Packs the per-sequence numbers, then every table and relation, into one list of words.
 *
 * @param head - Words that come first (query offsets and key lengths of the sequences).
 */
export function packData(layout: DataLayout, head: Uint32Array): PackedData {
  const parts: Uint32Array[] = [head]
  const descriptors = new Uint32Array(layout.descriptorWords)
  let place = 0
  let base = head.length
  const append = (words: Uint32Array, ...shape: readonly number[]): void => {
    descriptors.set([base, ...shape], place)
    place += 1 + shape.length
    base += words.length
    parts.push(words)
  }
  for (const table of layout.tables) append(tableWords(table), ...table.shape)
  for (const relation of layout.relations) append(relationWords(relation))
  const words = new Uint32Array(base)
  let offset = 0
  for (const part of parts) {
    words.set(part, offset)
    offset += part.length
  }
  return { words, descriptors }
}

function tableWords(table: Table): Uint32Array {
  const { values } = table
  if (table.type === 'integer') return new Uint32Array(Int32Array.from(values).buffer)
  if (table.type === 'float') {
    // Infinities are kept out of shaders, which may assume there are none.
    const floats = Float32Array.from(values, (value) =>
      Math.min(Math.max(value, -largestFloat), largestFloat),
    )
    return new Uint32Array(floats.buffer)
  }
  const words = new Uint32Array(Math.ceil(values.length / 32))
  for (let i = 0; i < values.length; i++) if (values[i]) words[i >> 5]! |= 1 << (i & 31)
  return words
}

function relationWords({ offsets, members }: Relation): Uint32Array {
  const words = new Uint32Array(1 + offsets.length + members.length)
  words[0] = offsets.length - 1
  words.set(offsets, 1)
  words.set(new Uint32Array(members.buffer, members.byteOffset, members.length), 1 + offsets.length)
  return words
}
