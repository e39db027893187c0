// Random calls over packed sequences, and the two things they have to be: every sequence a call of its
// own, and the padded batch of them without its padding.
import * as fc from 'fast-check'
import { numbersOf, slice, standardAttention, tensor, toFloat64Array } from '../../src/index.ts'
import type {
  AttentionOptions,
  IntegerList,
  Mask,
  ScoreModifier,
  Table,
  Tensor,
} from '../../src/index.ts'
import { fill } from '../conformance/index.ts'
import { standardGradients } from '../conformance/index.ts'

/** A call over packed sequences. */
export interface PackedCall {
  readonly queryLengths: readonly number[]
  readonly keyLengths: readonly number[]
  readonly query: Tensor
  readonly key: Tensor
  readonly value: Tensor
  readonly dOutput: Tensor
  readonly options: AttentionOptions
}

/** What a reference found, laid out as the packed call lays it out. */
export interface PackedReference {
  readonly output: readonly number[]
  readonly logSumExp: readonly number[]
  readonly gradients: {
    readonly query: readonly number[]
    readonly key: readonly number[]
    readonly value: readonly number[]
  }
  readonly dTable: readonly number[] | undefined
  readonly dSinks: readonly number[] | undefined
}

/** Cumulative lengths. */
export function packedOffsets(lengths: readonly number[]): number[] {
  const offsets = [0]
  for (const length of lengths) offsets.push(offsets.at(-1)! + length)
  return offsets
}

/** Rows of numbers as `[1, 1, rows, dim]`. */
export function packRows(rows: readonly (readonly number[])[]): Tensor {
  return tensor(Float32Array.from(rows.flat()), [1, 1, rows.length, rows[0]!.length])
}

/** Calls over up to five sequences of up to seven tokens. */
export function arbitraryPackedCall(
  masks: readonly (Mask | undefined)[],
  modifiers: readonly (readonly ScoreModifier[])[],
  { dropout }: { readonly dropout: boolean },
): fc.Arbitrary<PackedCall> {
  return fc
    .record({
      seed: fc.integer({ min: 1, max: 2 ** 31 }),
      lengths: fc
        .array(fc.tuple(fc.nat(7), fc.nat(7)), { minLength: 1, maxLength: 5 })
        .filter(
          (pairs) => pairs.some(([queries]) => queries > 0) && pairs.some(([, keys]) => keys > 0),
        ),
      sameLengths: fc.boolean(),
      kvHeads: fc.integer({ min: 1, max: 2 }),
      group: fc.integer({ min: 1, max: 2 }),
      mask: fc.constantFrom(...masks),
      scoreModifiers: fc.constantFrom(...modifiers),
      rate: fc.constantFrom(0.3, 0.6),
      withSinks: fc.boolean(),
      offsets: fc.option(
        fc.array(fc.integer({ min: -2, max: 6 }), { minLength: 5, maxLength: 5 }),
        {
          nil: undefined,
        },
      ),
      oneOffset: fc.boolean(),
      unused: fc.option(fc.array(fc.nat(2), { minLength: 5, maxLength: 5 }), { nil: undefined }),
    })
    .map(({ seed, lengths, sameLengths, kvHeads, group, mask, offsets, unused, ...rest }) => {
      const heads = kvHeads * group
      const queryLengths = lengths.map(([queries, keys]) =>
        sameLengths ? queries + keys : queries,
      )
      const keyLengths = lengths.map(([queries, keys]) => (sameLengths ? queries + keys : keys))
      const count = lengths.length
      const [queries, keys] = [packedOffsets(queryLengths), packedOffsets(keyLengths)]
      const [queryLength, keyLength] = [queries.at(-1)!, keys.at(-1)!]
      const shaped = (shape: number[], number: number): Tensor =>
        fill(seed + number, shape, 1, 'float64')
      const options: AttentionOptions = {
        sequences: { cumulativeQueryLengths: queries, cumulativeKeyLengths: keys },
        ...(mask && { mask }),
        scoreModifiers: rest.scoreModifiers,
        ...(offsets && { queryOffset: rest.oneOffset ? offsets[0]! : offsets.slice(0, count) }),
        ...(unused && {
          keyLengths: keyLengths.map((length, s) => Math.max(length - unused[s]!, 0)),
        }),
        ...(dropout && { dropout: { rate: rest.rate, seed } }),
        ...(rest.withSinks && { sinks: Array.from({ length: heads }, (_, h) => 0.3 * h - 0.4) }),
      }
      return {
        queryLengths,
        keyLengths,
        query: shaped([1, heads, queryLength, 3], 1),
        key: shaped([1, kvHeads, keyLength, 3], 2),
        value: shaped([1, kvHeads, keyLength, 2], 3),
        dOutput: shaped([1, heads, queryLength, 2], 4),
        options,
      }
    })
}

/** The option of one sequence. */
const ofSequence = (value: number | IntegerList | undefined, sequence: number) =>
  typeof value === 'object' ? numbersOf(value)[sequence] : value

/** An empty packed result, and how to fill in the rows `start .. start + rows - 1` of every head. */
function packedResult({ shape }: Tensor, dim: number) {
  const [, heads, length] = shape as [number, number, number]
  const values = new Array<number>(heads * length * dim).fill(0)
  const fillIn = (from: Tensor, start: number, rows: number): void => {
    const source = toFloat64Array(from)
    for (let head = 0; head < heads; head++) {
      for (let index = 0; index < rows * dim; index++) {
        values[(head * length + start) * dim + index] = source[head * from.shape[2]! * dim + index]!
      }
    }
  }
  return { values, fillIn }
}

type Results = Readonly<
  Record<'output' | 'logSumExp' | 'query' | 'key' | 'value', ReturnType<typeof packedResult>>
>

function packedResults({ query, key, value, options }: PackedCall): Results {
  const logSumExp = packedResult(query, 1)
  const { sinks } = options
  const length = query.shape[2]!
  // Rows of sequences without keys.
  logSumExp.values.forEach((_, row) => {
    logSumExp.values[row] =
      (sinks as readonly number[] | undefined)?.[Math.floor(row / length)] ?? -Infinity
  })
  return {
    output: packedResult(query, value.shape[3]!),
    logSumExp,
    query: packedResult(query, query.shape[3]!),
    key: packedResult(key, key.shape[3]!),
    value: packedResult(value, value.shape[3]!),
  }
}

function reference(
  results: Results,
  dTable: Float64Array | undefined,
  dSinks: Float64Array | undefined,
): PackedReference {
  return {
    output: results.output.values,
    logSumExp: results.logSumExp.values,
    gradients: {
      query: results.query.values,
      key: results.key.values,
      value: results.value.values,
    },
    dTable: dTable && Array.from(dTable),
    dSinks: dSinks && Array.from(dSinks),
  }
}

/** Every sequence a call of its own. */
export function separateCalls(call: PackedCall, table: Table): PackedReference {
  const { sequences: _, queryOffset, keyLengths, ...options } = call.options
  const results = packedResults(call)
  const [queries, keys] = [packedOffsets(call.queryLengths), packedOffsets(call.keyLengths)]
  let dTable: Float64Array | undefined
  const dSinks = options.sinks && new Float64Array(call.query.shape[1]!)
  call.queryLengths.forEach((rows, sequence) => {
    const columns = call.keyLengths[sequence]!
    if (rows === 0 || columns === 0) return
    const [firstQuery, firstKey] = [queries[sequence]!, keys[sequence]!]
    const query = slice(call.query, 2, firstQuery, firstQuery + rows)
    const key = slice(call.key, 2, firstKey, firstKey + columns)
    const value = slice(call.value, 2, firstKey, firstKey + columns)
    const dOutput = slice(call.dOutput, 2, firstQuery, firstQuery + rows)
    const offset = ofSequence(queryOffset, sequence)
    const own = {
      ...options,
      ...(offset === undefined ? {} : { queryOffset: offset }),
      ...(keyLengths && { keyLengths: [numbersOf(keyLengths)[sequence]!] }),
    }
    const { output, logSumExp } = standardAttention(query, key, value, own)
    results.output.fillIn(output, firstQuery, rows)
    results.logSumExp.fillIn(logSumExp, firstQuery, rows)
    const gradients = standardGradients(query, key, value, dOutput, own)
    results.query.fillIn(gradients.dQuery, firstQuery, rows)
    results.key.fillIn(gradients.dKey, firstKey, columns)
    results.value.fillIn(gradients.dValue, firstKey, columns)
    const ofTable = gradients.dTables.get(table)
    dTable = ofTable?.map((gradient, entry) => gradient + (dTable?.[entry] ?? 0)) ?? dTable
    gradients.dSinks?.forEach((gradient, head) => (dSinks![head]! += gradient))
  })
  return reference(results, dTable, dSinks)
}

/** The padded batch. */
export function paddedCall(call: PackedCall, table: Table): PackedReference {
  const { sequences: _, queryOffset, ...options } = call.options
  const { queryLengths } = call
  const keyLengths = numbersOf(options.keyLengths ?? call.keyLengths)
  const [longestQuery, longestKey] = [Math.max(...queryLengths), Math.max(...call.keyLengths)]
  const pad = (packed: Tensor, lengths: readonly number[], longest: number, value: number) => {
    const [, heads, , dim] = packed.shape as [number, number, number, number]
    const offsets = packedOffsets(lengths)
    const values = new Float64Array(lengths.length * heads * longest * dim).fill(value)
    lengths.forEach((length, sequence) => {
      for (let head = 0; head < heads; head++) {
        const from = (head * packed.shape[2]! + offsets[sequence]!) * dim
        const rows = (packed.storage as Float64Array).subarray(from, from + length * dim)
        values.set(rows, (sequence * heads + head) * longest * dim)
      }
    })
    return tensor(values, [lengths.length, heads, longest, dim])
  }
  const query = pad(call.query, queryLengths, longestQuery, 0)
  const dOutput = pad(call.dOutput, queryLengths, longestQuery, 0)
  const key = pad(call.key, call.keyLengths, longestKey, NaN)
  const value = pad(call.value, call.keyLengths, longestKey, NaN)
  const offsetOf = (sequence: number): number =>
    ofSequence(queryOffset, sequence) ?? keyLengths[sequence]! - queryLengths[sequence]!
  const padded = {
    ...options,
    keyLengths,
    queryOffset: queryLengths.map((_length, s) => offsetOf(s)),
  }
  const forward = standardAttention(query, key, value, padded)
  const gradients = standardGradients(query, key, value, dOutput, padded)
  const results = packedResults(call)
  const [queries, keys] = [packedOffsets(queryLengths), packedOffsets(call.keyLengths)]
  queryLengths.forEach((rows, s) => {
    const entry = (of: Tensor): Tensor => slice(of, 0, s, s + 1)
    results.output.fillIn(entry(forward.output), queries[s]!, rows)
    results.logSumExp.fillIn(entry(forward.logSumExp), queries[s]!, rows)
    results.query.fillIn(entry(gradients.dQuery), queries[s]!, rows)
    results.key.fillIn(entry(gradients.dKey), keys[s]!, call.keyLengths[s]!)
    results.value.fillIn(entry(gradients.dValue), keys[s]!, call.keyLengths[s]!)
  })
  return reference(results, gradients.dTables.get(table), gradients.dSinks)
}
