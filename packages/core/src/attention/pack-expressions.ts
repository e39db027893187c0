// Masks and score modifiers of one sequence, said of tokens that are packed: coordinates are replaced
// by what they are within the sequence, from tables by query, so that every backend takes packed
// sequences without knowing of them. What depends on the distance of query and key alone stays as it
// is, and with it the short ways that planners and shaders have for distances.
import { booleanExpression, coordinate, floatExpression } from '../expression/expression.ts'
import type { BooleanExpression, IntegerExpression } from '../expression/expression.ts'
import type { Mask, ScoreModifier } from '../expression/mask.ts'
import { dependencies } from '../expression/dependencies.ts'
import type { ExpressionNode } from '../expression/node.ts'
import { substitute } from '../expression/substitute.ts'
import { integerTable } from '../expression/table.ts'
import { translations } from '../expression/translation.ts'
import type { ResolvedSequences } from './packed-sequences.ts'

/** A coordinate's value within the sequence of the pair's query. */
export interface SequenceCoordinates {
  /** Which sequence. */
  readonly batch: IntegerExpression
  readonly query: IntegerExpression
  readonly key: IntegerExpression
}

/** Expressions over packed tokens. */
export interface PackedExpressions {
  /**
   * What to call the position of the first query: then the distance of query and key is the same
   * packed as within a sequence, if any number makes it so for all sequences.
   */
  readonly queryOffset: number
  readonly mask: Mask
  readonly scoreModifiers: readonly ScoreModifier[]
  /** Written in terms of `queryIndex` and `key`. */
  readonly within: SequenceCoordinates
}

/** Rewrites a mask and score modifiers that were written for a single sequence. */
export function packExpressions(
  sequences: ResolvedSequences,
  mask: Mask | undefined,
  scoreModifiers: readonly ScoreModifier[],
): PackedExpressions {
  const { cumulativeQueryLengths, cumulativeKeyLengths, queryOffsets, keyLengths } = sequences
  const queryStart = (sequence: number): number => cumulativeQueryLengths[sequence]!
  const keyStart = (sequence: number): number => cumulativeKeyLengths[sequence]!
  const [queryIndex, key] = [coordinate('queryIndex'), coordinate('key')]
  /** A number of each sequence, by query. */
  const ofSequence = (name: string, value: (sequence: number) => number): IntegerExpression => {
    const values = new Int32Array(sequences.queryPositions.length)
    for (let sequence = 0; sequence < queryOffsets.length; sequence++) {
      values.fill(value(sequence), queryStart(sequence), queryStart(sequence + 1))
    }
    return integerTable(name, values).at(queryIndex)
  }
  const shared = new Map<string, IntegerExpression>()
  const once = (name: string, value: (sequence: number) => number): IntegerExpression => {
    if (!shared.has(name)) shared.set(name, ofSequence(name, value))
    return shared.get(name)!
  }
  const firstKey = (): IntegerExpression => once('sequenceFirstKey', keyStart)
  const within = {
    batch: (): IntegerExpression => once('sequence', (sequence) => sequence),
    query: (): IntegerExpression =>
      queryIndex.add(
        once('sequenceQueryShift', (sequence) => queryOffsets[sequence]! - queryStart(sequence)),
      ),
    queryIndex: (): IntegerExpression => queryIndex.sub(once('sequenceFirstQuery', queryStart)),
    key: (): IntegerExpression => key.sub(firstKey()),
    queryLength: (): IntegerExpression =>
      once('sequenceQueries', (sequence) => queryStart(sequence + 1) - queryStart(sequence)),
    keyLength: (): IntegerExpression =>
      once('sequenceKeys', (sequence) => keyStart(sequence + 1) - keyStart(sequence)),
  }

  // Sequences without a pair have no distances.
  const withPairs = Array.from(queryOffsets.keys()).filter(
    (sequence) => queryStart(sequence + 1) > queryStart(sequence) && keyLengths[sequence]! > 0,
  )
  /** By how much a query's position, where keys stand at their packed rows, is past its packed row. */
  const shift = (sequence: number): number =>
    queryOffsets[sequence]! - queryStart(sequence) + keyStart(sequence)
  const common = withPairs.length === 0 ? 0 : shift(withPairs[0]!)
  const sameShift = withPairs.every((sequence) => shift(sequence) === common)
  const sameStarts = withPairs.every((sequence) => queryStart(sequence) === keyStart(sequence))

  const moves = translations(1)
  const isByDistance = (node: ExpressionNode): boolean => {
    const { coordinates } = dependencies(node)
    if (!coordinates.has('key')) return false
    if (!coordinates.has('query') && !coordinates.has('queryIndex')) return false
    if (coordinates.has('queryIndex') && !sameStarts) return false
    return moves(node) === 0
  }
  /** The same distances: keys stand at their packed rows, and queries where they are as far from them. */
  const moved = (node: ExpressionNode): ExpressionNode | undefined => {
    if (node.kind !== 'coordinate') return undefined
    const { name } = node
    if (name === 'query') {
      return sameShift ? node : queryIndex.add(once('sequenceShift', shift)).node
    }
    return name === 'batch' || name === 'queryLength' || name === 'keyLength'
      ? within[name]().node
      : node
  }
  const packed = (root: ExpressionNode): ExpressionNode =>
    substitute(root, (node) => {
      if (node.kind === 'coordinate') {
        const { name } = node
        return name in within ? within[name as keyof typeof within]().node : node
      }
      return isByDistance(node) ? substitute(node, moved) : undefined
    })

  const end = once('sequenceEndKey', (sequence) => keyStart(sequence) + keyLengths[sequence]!)
  const ownKeys: BooleanExpression = key.ge(firstKey()).and(key.lt(end))
  return {
    queryOffset: sameShift ? common : 0,
    mask: Object.freeze({
      kind: 'mask',
      name: mask?.name ?? 'packed',
      expression: mask ? ownKeys.and(booleanExpression(packed(mask.expression.node))) : ownKeys,
    }),
    scoreModifiers: scoreModifiers.map((modifier) =>
      Object.freeze({
        ...modifier,
        expression: floatExpression(packed(modifier.expression.node)),
      }),
    ),
    within: {
      batch: within.batch(),
      query: within.query(),
      key: within.key(),
    },
  }
}
