// Planning the backward pass: what `plan({ training: true })` needs besides the forward plan, again
// without touching a GPU.
import { floatExpression, transposeBlockMap, UnsupportedError } from '@attn/core'
import type { BlockMap, Table } from '@attn/core'
import { composeLookups } from '../../codegen/compose-lookups.ts'
import { counterNodes, dataLayout, packData } from '../../codegen/data-layout.ts'
import type { DataLayout } from '../../codegen/data-layout.ts'
import { gradientRules } from '../../codegen/gradient-rules.ts'
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import {
  backwardMemory,
  backwardTileProblem,
  checkBackwardTile,
  chooseBackwardTile,
} from './backward-tiles.ts'
import type { BackwardMemory, BackwardTile, GradientRows } from './backward-tiles.ts'
import { gradientHeadroom, matrixProblem, plannedMatrixTile } from './backward-matrices.ts'
import { gradientMatrixMemory, gradientMatrixTileProblem } from './gradient-matrix-tile.ts'
import type { GradientMatrixMemory, GradientMatrixTile } from './gradient-matrix-tile.ts'
import { packBlockMap } from '../pack-block-map.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import { headWords } from '../head-words.ts'
import type { ForwardPlan } from '../plan.ts'
import { tableLookups, trainableTables } from '../table-lookups.ts'
import { tableStorage } from '../table-storage.ts'
import type { TableStorage } from '../table-storage.ts'
import { chooseTeamTile, suitsTeams } from './team-tiles.ts'
import type { WorkgroupLimits } from '../forward/tiles.ts'
import type { TileOrigin } from '../tuning.ts'

/** Tiles to use instead of the planner's choice: for measuring. */
export interface BackwardTiles {
  /** Of the kernel that computes dQ; rows are queries. */
  readonly query?: BackwardTile | GradientMatrixTile | undefined
  /** Of the kernel that computes dK and dV; rows are keys. */
  readonly key?: BackwardTile | GradientMatrixTile | undefined
}

/** What the kernels of either kind have in common. */
interface PassOfRows {
  readonly rowTokens: 'queries' | 'keys'
  /** Where the tile comes from. */
  readonly tileOrigin: TileOrigin
  readonly rules: GradientRules
  /** Tiles along both axes. */
  readonly rowTiles: number
  readonly columnTiles: number
  /** Undefined where all tiles are visited. Its rows are this kernel's rows. */
  readonly blockMap: BlockMap | undefined
  readonly packedMap: PackedBlockMap | undefined
  /** Word of `data` at which the packed map begins. */
  readonly mapBase: number
  /** Products of two tiles: S, dP and dQ, or S, dP, dV and dK. Operations for each pair of tokens. */
  readonly pairOperations: number
}

/** A kernel in plain WGSL. */
export interface TiledPass extends PassOfRows {
  readonly kind: 'tiled'
  readonly tile: BackwardTile
  readonly memory: BackwardMemory
  /** Whether a tile of two teams suits the call. */
  readonly teams: boolean
  /** Why it is not one on subgroup matrices. */
  readonly why: string
}

/** A kernel on subgroup matrices. */
export interface MatrixPass extends PassOfRows {
  readonly kind: 'subgroup-matrix'
  readonly tile: GradientMatrixTile
  readonly memory: GradientMatrixMemory
}

/** One of the two kernels. */
export type GradientPass = TiledPass | MatrixPass

/** A plan of the backward pass as data. */
export interface BackwardPlan {
  readonly forward: ForwardPlan
  readonly query: GradientPass
  readonly key: GradientPass
  readonly layout: DataLayout
  readonly descriptors: Uint32Array
  /** Sequences, sinks, tables, then the two block maps. */
  readonly words: Uint32Array<ArrayBuffer>
  readonly tables: readonly Table[]
  readonly storage: TableStorage
  /**
   * Set where a kernel is on subgroup matrices, so that rows keep the scale of dS: how much larger than
   * |dO| |V| dropout and slopes may make the gradient of a score.
   */
  readonly headroom: number | undefined
}

/**
 * Plans a backward pass.
 *
 * @throws RangeError for tiles that do not fit, UnsupportedError for tables whose gradients cannot be
 *   summed.
 */
export function planBackward(
  caller: string,
  forward: ForwardPlan,
  tiles: BackwardTiles,
  capabilities: Capabilities,
): BackwardPlan {
  const { limits } = capabilities
  const { shape, attention } = forward
  const { headDim, valueDim, queryLength, keyLength } = shape
  const { mask, dropout } = attention
  const within = dropout?.within
  const lookups = tableLookups(caller, shape, attention)
  const modifiers = attention.scoreModifiers.map((modifier) => ({
    ...modifier,
    expression: floatExpression(composeLookups(modifier.expression.node, shape.heads)),
  }))
  const layout = dataLayout([
    ...[mask, ...modifiers].flatMap((part) => (part ? [part.expression.node] : [])),
    ...lookups
      .flatMap(({ indices, derivative }) => [...indices, derivative])
      .map(({ node }) => node),
    ...counterNodes(within),
  ])
  const { words: tableWords, descriptors } = packData(layout, headWords(attention))

  const rulesWith = (looked: typeof lookups): GradientRules => ({
    ...gradientRules(mask, modifiers, looked, layout, within),
    shortText: forward.shortText,
  })
  const rules = rulesWith([])
  const [chosenQuery, chosenKey] = (['query', 'key'] as const).map((gradients) => {
    const tables = gradients === 'query' && lookups.length > 0
    const { [gradients]: given } = tiles
    const problem = matrixProblem(forward, modifiers, tables)
    if (given && 'matrix' in given) {
      const why = problem ?? gradientMatrixTileProblem(given, shape, gradients, capabilities)
      if (why !== undefined) throw new RangeError(`${caller}: ${why}`)
      return chosenMatrix(forward, gradients, given, { kind: 'given' })
    }
    const measured = forward.tuned[gradients]
    const planned =
      given || typeof measured?.tile === 'object'
        ? { why: 'the tile was chosen' }
        : plannedMatrixTile(gradients, forward, problem, capabilities)
    if ('tile' in planned) {
      const origin: TileOrigin = measured
        ? { kind: 'tuned', speedUp: measured.speedUp }
        : modelOrigin(forward)
      return chosenMatrix(forward, gradients, planned.tile, origin)
    }
    const teams = suitsTeams(forward, { slopes: rules.hasSlopes, tables })
    const chosen = chooseTile(gradients, forward, given, limits, teams, planned.why)
    checkBackwardTile(caller, chosen.tile, headDim, valueDim, limits, gradients)
    if (tables && chosen.tile.teams === 2) {
      throw new RangeError(`${caller}: two teams cannot sum gradients of tables; use a tile of one`)
    }
    return chosen
  }) as [ChosenTile, ChosenTile]
  const [queryTile, keyTile] = [chosenQuery.tile, chosenKey.tile]

  // Whatever kernel the forward pass has, and whether that one needs a map.
  const mapFor = (queryBlockSize: number, keyBlockSize: number): BlockMap | undefined =>
    forward.visibility.blockMap({ queryBlockSize, keyBlockSize })
  const queryMap = mapFor(queryTile.rows, queryTile.columns)
  const keyMap = mapFor(keyTile.columns, keyTile.rows)
  const packedQuery = queryMap && packBlockMap(queryMap)
  const transposed = keyMap && byKey(keyMap)
  const packedKey = transposed && packBlockMap(transposed)
  const parts = [tableWords, packedQuery?.words, packedKey?.words].map(
    (part) => part ?? new Uint32Array(),
  )
  const queryMapBase = parts[0]!.length
  const keyMapBase = queryMapBase + parts[1]!.length

  const query: GradientPass = {
    ...chosenQuery,
    rowTokens: 'queries',
    rules: lookups.length > 0 ? rulesWith(lookups) : rules,
    rowTiles: Math.ceil(queryLength / queryTile.rows),
    columnTiles: Math.ceil(keyLength / queryTile.columns),
    blockMap: queryMap,
    packedMap: packedQuery,
    mapBase: queryMapBase,
    pairOperations: 4 * headDim + 2 * valueDim,
  }
  const key: GradientPass = {
    ...chosenKey,
    rowTokens: 'keys',
    rules,
    rowTiles: Math.ceil(keyLength / keyTile.rows),
    columnTiles: Math.ceil(queryLength / keyTile.columns),
    blockMap: transposed,
    packedMap: packedKey,
    mapBase: keyMapBase,
    pairOperations: 4 * headDim + 4 * valueDim,
  }
  // Kernels on subgroup matrices sum none.
  const threads = query.kind === 'tiled' ? query.tile.threadRows * query.tile.threadColumns : 0
  const storage = tableStorage(shape, lookups, { threads, rowTiles: query.rowTiles })
  const { maxStorageBufferBindingSize } = limits
  if (4 * storage.length > maxStorageBufferBindingSize) {
    throw new UnsupportedError(
      `${caller}: gradients of trainable tables need ${4 * storage.length} bytes, the device has maxStorageBufferBindingSize=${maxStorageBufferBindingSize}; use smaller tables or request a larger limit`,
    )
  }
  return {
    forward,
    query,
    key,
    layout,
    descriptors,
    words: joined(parts),
    tables: trainableTables(attention),
    storage,
    headroom: [query, key].some(({ kind }) => kind === 'subgroup-matrix')
      ? gradientHeadroom(forward, modifiers)
      : undefined,
  }
}

type ChosenTiled = Omit<TiledPass, Exclude<keyof PassOfRows, 'tileOrigin'>>
type ChosenTile = ChosenTiled | Omit<MatrixPass, Exclude<keyof PassOfRows, 'tileOrigin'>>

function chosenMatrix(
  { shape }: ForwardPlan,
  gradients: GradientRows,
  tile: GradientMatrixTile,
  tileOrigin: TileOrigin,
): ChosenTile {
  const memory = gradientMatrixMemory(tile, shape.headDim, shape.valueDim, gradients)
  return { kind: 'subgroup-matrix', tile, memory, tileOrigin }
}

/** The origin of what nobody chose and nothing measured. */
function modelOrigin({ tileOrigin }: ForwardPlan): TileOrigin {
  return tileOrigin.kind === 'model' ? tileOrigin : { kind: 'model' }
}

/** The caller's tile, else the one measured on this device, else the model's choice. */
function chooseTile(
  gradients: GradientRows,
  forward: ForwardPlan,
  given: BackwardTile | undefined,
  limits: WorkgroupLimits,
  teams: boolean,
  why: string,
): ChosenTiled {
  const { shape, tuned } = forward
  const chosen = (tile: BackwardTile, origin: TileOrigin): ChosenTiled => ({
    kind: 'tiled',
    tile,
    memory: backwardMemory(tile, shape.headDim, shape.valueDim, gradients),
    teams,
    why,
    tileOrigin: origin,
  })
  if (given) return chosen(given, { kind: 'given' })
  const measured = tuned[gradients]
  if (measured && typeof measured.tile === 'object') {
    const { tile, speedUp } = measured
    const applies =
      (teams || tile.teams !== 2) &&
      backwardTileProblem(tile, shape, limits, gradients) === undefined
    if (applies) return chosen(tile, { kind: 'tuned', speedUp })
  }
  const large = teams ? chooseTeamTile(gradients, shape, limits) : undefined
  return chosen(large ?? chooseBackwardTile(gradients, shape, limits), modelOrigin(forward))
}

/** The transposed map, as the map of a problem whose rows are keys. */
function byKey(map: BlockMap): BlockMap {
  const transposed = transposeBlockMap(map)
  return {
    ...transposed,
    kind: 'blockMap',
    queryLength: map.keyLength,
    keyLength: map.queryLength,
    queryBlockSize: map.keyBlockSize,
    keyBlockSize: map.queryBlockSize,
    queryBlocks: map.keyBlocks,
    keyBlocks: map.queryBlocks,
  }
}

function joined(parts: readonly Uint32Array[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(parts.reduce((count, part) => count + part.length, 0))
  let offset = 0
  for (const part of parts) {
    words.set(part, offset)
    offset += part.length
  }
  return words
}
