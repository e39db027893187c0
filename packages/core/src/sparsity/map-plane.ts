// How the rows of one sequence and head are found, by what a mask is made of: a part that repeats along
// the diagonal from its first rows and columns, one that depends on one coordinate from one row, a
// relation from its lists, a union or conjunction with such parts from its parts, and the rest by
// cutting rectangles.
import type { ResolvedSequences } from '../attention/packed-sequences.ts'
import { compileBounds } from '../expression/bounds.ts'
import type { Environment } from '../expression/evaluate.ts'
import { booleanExpression } from '../expression/expression.ts'
import { joinAll, nestedOperands } from '../expression/joining.ts'
import { dependencies } from '../expression/dependencies.ts'
import type { Coordinate, ExpressionNode } from '../expression/node.ts'
import { translation } from '../expression/translation.ts'
import { keyRows, queryRows } from './axis-rows.ts'
import type { BlockSizes } from './block-map.ts'
import { combineRows } from './combine-rows.ts'
import { diagonalPeriod, followDiagonal } from './follow-diagonal.ts'
import type { AxisStep, DiagonalPeriod } from './follow-diagonal.ts'
import { followSequences } from './follow-sequences.ts'
import { emptyTile, fullTile, lookAt, lookWithin, pairProbe, partialTile } from './look.ts'
import type { Look, LookBudget, ScorePlane } from './look.ts'
import { keysOfMembers, relationRows, valuesAlong } from './relation-rows.ts'
import type { KeysOfMembers } from './relation-rows.ts'
import type { RowRuns } from './row-runs.ts'
import { subdivide } from './subdivide.ts'
import type { TileRectangle } from './subdivide.ts'

/** What rows are found for. */
export interface PlaneSettings {
  readonly plane: ScorePlane
  readonly sizes: BlockSizes
  readonly environment: Environment
  /** How the axes move; undefined where an order of the tokens does not repeat. */
  readonly queryStep: AxisStep | undefined
  readonly keyStep: AxisStep | undefined
  /**
   * Sequences that are packed end to end, within which the mask as it was given repeats: the one
   * over packed tokens does not.
   */
  readonly packed:
    { readonly sequences: ResolvedSequences; readonly mask: ExpressionNode } | undefined
  /** Rows of parts that look alike in every head and sequence, by part: kept from plane to plane. */
  readonly known: Map<ExpressionNode, RowRuns>
  /** Keys by the members that they ask relations for, kept in the same way. */
  readonly members: Map<ExpressionNode, KeysOfMembers>
  /** Looks that may be taken; undefined for as many as it needs. */
  readonly budget: LookBudget | undefined
}

/** As many tiles are looked at without a thought for the parts of a mask. */
const fewTiles = 2 ** 20

/** Keys for each query that are looked at without listing them. */
const fewKeys = 64

const queryCoordinates: readonly Coordinate[] = ['query', 'queryIndex']
const keyCoordinates: readonly Coordinate[] = ['key']
const planeCoordinates: readonly Coordinate[] = ['head', 'batch']

/** The rows of a mask on one plane. */
export function mapPlane(mask: ExpressionNode, settings: PlaneSettings): RowRuns {
  const { plane, sizes, environment, queryStep, keyStep, packed, known, members } = settings
  const { querySlots, keySlots } = plane
  const rows = Math.ceil(querySlots / sizes.queryBlockSize)
  const columns = Math.ceil(keySlots / sizes.keyBlockSize)
  const ordered = plane.queryTokens !== undefined || plane.keyTokens !== undefined
  const everything = { top: 0, bottom: rows, left: 0, right: columns }

  const lookFor = (node: ExpressionNode): Look =>
    lookWithin(lookAt(compileBounds({ node }, environment), plane), settings.budget)

  /** Keeps what is found for later planes. */
  const keeping =
    (find: (node: ExpressionNode) => RowRuns | undefined) =>
    (node: ExpressionNode): RowRuns | undefined => {
      if (dependsOn(node, planeCoordinates)) return find(node)
      const rows = known.get(node) ?? find(node)
      if (rows) known.set(node, rows)
      return rows
    }

  const periodOf = (node: ExpressionNode): DiagonalPeriod | undefined =>
    queryStep && keyStep
      ? diagonalPeriod(node, sizes, plane.queryLength / 2, queryStep, keyStep)
      : undefined

  /** The rows of a mask that need no rectangles to be cut, or few. */
  const easily = keeping((node) => {
    const period = periodOf(node)
    if (period && looksOf(period) <= fewTiles) return byPeriod(lookFor(node), period)
    if (columns === 0 || ordered) return undefined
    if (!dependsOn(node, queryCoordinates)) return keyRows(lookFor(node), plane, sizes)
    if (!dependsOn(node, keyCoordinates)) return queryRows(lookFor(node), plane, sizes)
    return byList(node) ?? byParts(node)
  })

  const rowsOf = keeping((node) => {
    const found = easily(node)
    if (found) return found
    const period = periodOf(node)
    const look = lookFor(node)
    return period ? byPeriod(look, period) : subdivide(look, plane, sizes, everything)
  }) as (node: ExpressionNode) => RowRuns

  const looksOf = (period: DiagonalPeriod): number => period.rows * columns + rows * period.columns

  const byPeriod = (look: Look, period: DiagonalPeriod): RowRuns => {
    const extent = {
      rows,
      columns,
      wholeRows: Math.floor(querySlots / sizes.queryBlockSize),
      wholeColumns: Math.floor(keySlots / sizes.keyBlockSize),
    }
    return followDiagonal(extent, period, (rectangle: TileRectangle) =>
      subdivide(look, plane, sizes, rectangle),
    )
  }

  const byList = (node: ExpressionNode): RowRuns | undefined => {
    // All keys are listed once, which a few queries, as in decoding, are not worth.
    if (!isListed(node) || querySlots * fewKeys < keySlots) return undefined
    const { member, row, relation } = node
    let keys = members.get(member)
    if (!keys) {
      const at = lookFor(member)
      const step = translation(member, 1, new Set(keyCoordinates))
      keys = keysOfMembers(valuesAlong((from, to) => at(0, 1, from, to), keySlots, step))
      if (!keys) return undefined
      if (!dependsOn(member, planeCoordinates)) members.set(member, keys)
    }
    const at = lookFor(row)
    const step = translation(row, 1, new Set(queryCoordinates))
    const asked = valuesAlong((from, to) => at(from, to, 0, 1), querySlots, step)
    return asked && relationRows(relation, asked, keys, plane, sizes)
  }

  /** A union or conjunction of parts of which some are easy to find. */
  const byParts = (node: ExpressionNode): RowRuns | undefined => {
    if (!hasEasyParts(node) || node.kind !== 'logical' || node.operation === 'xor') return undefined
    const { operation } = node
    const { ofKeys, ofQueries, rest, others } = partsOf(node, operation)
    const axes = [...join(operation, ofKeys), ...join(operation, ofQueries)].map(rowsOf)
    const frame =
      axes.length > 1 ? combineRows(operation, axes, columns, () => emptyTile, true) : axes[0]
    const parts = frame ? [frame] : []
    const within = operation === 'and' && frame ? frameOf(frame, everything) : everything
    if (within.top === within.bottom) return frame
    for (const other of others) {
      const found = easily(other)
      if (found) parts.push(found)
      else rest.push(other)
    }
    if (parts.length === 0) return undefined
    for (const each of join(operation, rest)) parts.push(rowsWithin(each, within))
    if (parts.length === 1) return parts[0]
    const probe = pairProbe(lookFor(node))
    return combineRows(operation, parts, columns, (row, column) => {
      const seen = probe(
        row * sizes.queryBlockSize,
        Math.min((row + 1) * sizes.queryBlockSize, querySlots),
        column * sizes.keyBlockSize,
        Math.min((column + 1) * sizes.keyBlockSize, keySlots),
      )
      const ragged = (column + 1) * sizes.keyBlockSize > keySlots
      return seen === fullTile && ragged ? partialTile : seen
    })
  }

  /** The rows of a mask, at least within a rectangle. */
  const rowsWithin = (node: ExpressionNode, rectangle: TileRectangle): RowRuns => {
    const { top, bottom, left, right } = rectangle
    const tiles = (bottom - top) * (right - left)
    if (2 * tiles > rows * columns) return rowsOf(node)
    const { starts, ends, runs } = subdivide(lookFor(node), plane, sizes, rectangle)
    const found = { starts: new Uint32Array(rows), ends: new Uint32Array(rows), runs }
    found.starts.set(starts, top)
    found.ends.set(ends, top)
    return found
  }

  if (!packed) return rowsOf(mask)
  // Relations and global keys begin anew with every sequence: only periods are worth following.
  const look = lookFor(mask)
  const cut = (rectangle: TileRectangle): RowRuns => subdivide(look, plane, sizes, rectangle)
  const period = ordered ? undefined : periodOf(packed.mask)
  if (!period) return cut(everything)
  return followSequences({ rows, columns }, packed.sequences, sizes, period, cut)
}

/** The smallest rectangle that holds all tiles; an empty one where there are none. */
function frameOf({ starts, ends, runs }: RowRuns, { bottom }: TileRectangle): TileRectangle {
  const frame = { top: bottom, bottom: 0, left: Infinity, right: 0 }
  for (let row = 0; row < bottom; row++) {
    const last = ends[row]! - 1
    if (last < starts[row]!) continue
    frame.top = Math.min(frame.top, row)
    frame.bottom = row + 1
    frame.left = Math.min(frame.left, runs[2 * starts[row]!]!)
    frame.right = Math.max(frame.right, runs[2 * last]! + (runs[2 * last + 1]! >>> 1))
  }
  return frame.bottom === 0 ? { top: 0, bottom: 0, left: 0, right: 0 } : frame
}

const dependsOn = (node: ExpressionNode, names: readonly Coordinate[]): boolean => {
  const { coordinates } = dependencies(node)
  return names.some((name) => coordinates.has(name))
}

type Contains = Extract<ExpressionNode, { kind: 'contains' }>

/** Whether queries ask for rows and keys for members. */
function isListed(node: ExpressionNode): node is Contains {
  return (
    node.kind === 'contains' &&
    !dependsOn(node.row, keyCoordinates) &&
    !dependsOn(node.member, queryCoordinates)
  )
}

/** Whether a mask can be found without cutting rectangles, or has parts that can. */
function hasEasyParts(node: ExpressionNode): boolean {
  return nestedOperands(node, ({ operation }) => operation !== 'xor').some(
    (part) =>
      !dependsOn(part, queryCoordinates) || !dependsOn(part, keyCoordinates) || isListed(part),
  )
}

/** The operands of a union or conjunction by how their rows are found. */
function partsOf(node: ExpressionNode, operation: 'and' | 'or') {
  const parts: Record<'ofKeys' | 'ofQueries' | 'others' | 'rest', ExpressionNode[]> = {
    ofKeys: [],
    ofQueries: [],
    others: [],
    rest: [],
  }
  for (const operand of nestedOperands(node, (each) => each.operation === operation)) {
    if (!dependsOn(operand, queryCoordinates)) parts.ofKeys.push(operand)
    else if (!dependsOn(operand, keyCoordinates)) parts.ofQueries.push(operand)
    else parts[hasEasyParts(operand) ? 'others' : 'rest'].push(operand)
  }
  return parts
}

/** Operands as one mask; none where there are none. */
function join(operation: 'and' | 'or', nodes: readonly ExpressionNode[]): ExpressionNode[] {
  if (nodes.length < 2) return [...nodes]
  return [joinAll(nodes.map(booleanExpression), operation).node]
}
