// Where tables, relations and per-call parameters of an expression lie on the GPU. All tables share
// one storage buffer `data` (devices guarantee only eight storage buffers a shader), whose places
// and shapes travel in the uniform block, so that a longer table needs no new pipeline.
import { dependencies, elementCount, typeError } from '@attn/core'
import type { ExpressionNode, Parameter, Relation, SequenceCoordinates, Table } from '@attn/core'
import type { HelperName } from './helpers.ts'

/** What the generated text and the buffer writer agree on. */
export interface DataLayout {
  readonly tables: readonly Table[]
  readonly relations: readonly Relation[]
  readonly parameters: readonly Parameter[]
  /** Words of the uniform array `params.tables`: base and shape of every table, base of relations. */
  readonly descriptorWords: number
  lookupText(table: Table, indices: readonly string[], helpers: Set<HelperName>): string
  /** The parts of `lookupText`, for kernels that do not compute all of it for every pair. */
  readonly parts: LookupParts
  containsText(relation: Relation, row: string, member: string, helpers: Set<HelperName>): string
  parameterText(parameter: Parameter): string
}

/** A look-up in steps: where a line of the table begins, the place in it, and the value there. */
export interface LookupParts {
  /** Place (u32) of the line that all indices but the last choose. */
  readonly lineText: (table: Table, indices: readonly string[], helpers: Set<HelperName>) => string
  /** An index clamped to its axis (u32). */
  readonly indexText: (
    table: Table,
    axis: number,
    index: string,
    helpers: Set<HelperName>,
  ) => string
  /** The value at a place: line plus index. */
  readonly valueText: (table: Table, place: string, helpers: Set<HelperName>) => string
}

/** The packed `data` buffer and the descriptor words that say where things are in it. */
export interface PackedData {
  readonly words: Uint32Array<ArrayBuffer>
  readonly descriptors: Uint32Array<ArrayBuffer>
  /**
   * Tables that lie elsewhere: where in the buffer a call is to write each, behind the words, and which
   * descriptor says so.
   */
  readonly remote: readonly RemoteTable[]
  /** Words of the buffer, these included. */
  readonly length: number
}

/** A table that calls write. */
export interface RemoteTable {
  readonly table: Table
  readonly base: number
  readonly descriptor: number
}

/** Text of one word of an array of vec4<u32> in the uniform block. */
const uniformWord = (array: string, index: number): string =>
  `params.${array}[${index >> 2}].${'xyzw'[index & 3]}`

/** What dropout reads where sequences are packed. */
export function counterNodes(within: SequenceCoordinates | undefined): ExpressionNode[] {
  return within ? [within.query.node, within.key.node, within.batch.node] : []
}

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
  const parts = lookupParts((table, word) => uniformWord('tables', places.get(table)! + word))
  return {
    tables,
    relations,
    parameters,
    descriptorWords,
    lookupText: (table, indices, helpers) => {
      const last = indices.length - 1
      const line = parts.lineText(table, indices.slice(0, last), helpers)
      const index = parts.indexText(table, last, indices[last]!, helpers)
      return parts.valueText(table, `${line} + ${index}`, helpers)
    },
    parts,
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

/** @param word - Text of a descriptor word of a table: its base, then the size of each axis. */
function lookupParts(word: (table: Table, index: number) => string): LookupParts {
  const indexText: LookupParts['indexText'] = (table, axis, index, helpers) => {
    helpers.add('clampIndex')
    return `clampIndex(${index}, ${word(table, 1 + axis)})`
  }
  return {
    indexText,
    lineText: (table, indices, helpers) => {
      // Booleans are counted in bits from the base, which is in words.
      const base = table.type === 'boolean' ? '' : word(table, 0)
      if (indices.length === 0) return base || '0u'
      const flat = indices
        .map((index, axis) => indexText(table, axis, index, helpers))
        .reduce((sum, index, axis) => `(${sum} * ${word(table, 1 + axis)} + ${index})`)
      const line = `${flat} * ${word(table, table.shape.length)}`
      return base ? `${base} + ${line}` : line
    },
    valueText: (table, place, helpers) => {
      if (table.type === 'boolean') {
        helpers.add('tableBit')
        return `tableBit(${word(table, 0)}, ${place})`
      }
      return `bitcast<${table.type === 'float' ? 'f32' : 'i32'}>(data[${place}])`
    },
  }
}

function uniqueParameters(parameters: readonly Parameter[]): Parameter[] {
  const byName = new Map<string, Parameter>()
  for (const parameter of parameters) {
    const other = byName.get(parameter.name)
    if (other && other.type !== parameter.type) {
      throw typeError(`flash.plan: parameter ${parameter.name} is used as integer and as float`)
    }
    byName.set(parameter.name, parameter)
  }
  return [...byName.values()]
}

/**
 * Packs the per-sequence numbers, then every table and relation, into one list of words.
 *
 * @param head - Words that come first (query offsets and key lengths of the sequences).
 */
export function packData(layout: DataLayout, head: Uint32Array): PackedData {
  const parts: Uint32Array[] = [head]
  const descriptors = new Uint32Array(layout.descriptorWords)
  const remote: RemoteTable[] = []
  let place = 0
  let base = head.length
  const append = (words: Uint32Array, ...shape: readonly number[]): void => {
    descriptors.set([base, ...shape], place)
    place += 1 + shape.length
    base += words.length
    parts.push(words)
  }
  for (const table of layout.tables) {
    if (table.elsewhere !== undefined) remote.push({ table, base: 0, descriptor: place })
    append(tableWords(table), ...table.shape)
  }
  for (const relation of layout.relations) append(relationWords(relation))
  return withRemote(parts, descriptors, remote)
}

/** The same with more words behind those of the tables; what calls write then lies behind these. */
export function packBehind(
  { words, descriptors, remote }: PackedData,
  more: readonly Uint32Array[],
): PackedData {
  return withRemote([words, ...more], descriptors.slice(), remote)
}

function withRemote(
  parts: readonly Uint32Array[],
  descriptors: Uint32Array<ArrayBuffer>,
  remote: readonly RemoteTable[],
): PackedData {
  const words = new Uint32Array(parts.reduce((count, part) => count + part.length, 0))
  let length = 0
  for (const part of parts) {
    words.set(part, length)
    length += part.length
  }
  const placed = remote.map((each) => {
    const base = length
    descriptors[each.descriptor] = base
    length += elementCount(each.table.shape)
    return { ...each, base }
  })
  return { words, descriptors, remote: placed, length }
}

function tableWords(table: Table): Uint32Array {
  const { values } = table
  if (table.type === 'integer') return new Uint32Array(Int32Array.from(values).buffer)
  if (table.type === 'float') return new Uint32Array(new Float32Array(values).buffer)
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
