// Planning the backward pass: what `plan({ training: true })` needs besides the forward plan, again
// without touching a GPU.
import { transposeBlockMap, UnsupportedError } from '@attn/core'
import type { BlockMap, SparsityPass, Table } from '@attn/core'
import { counterNodes, dataLayout, packBehind, packData } from '../../codegen/data-layout.ts'
import type { DataLayout, PackedData } from '../../codegen/data-layout.ts'
import { gradientRules } from '../../codegen/gradient-rules.ts'
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import { gradientHeadroom } from './backward-matrices.ts'
import type { GradientRows } from './backward-tiles.ts'
import { chooseGradientKernel } from './choose-gradient-kernel.ts'
import { chooseGradientPasses, startsFromZeros } from './gradient-orders.ts'
import type { GradientPass, GradientPasses, PassOfRows } from './gradient-passes.ts'
import type { BackwardTiles } from './gradient-tile.ts'
import { gradientParts } from './gradient-parts.ts'
import { contiguousNeedTotals } from './gradient-totals.ts'
import { packBlockMap } from '../pack-block-map.ts'
import { headWords } from '../head-words.ts'
import type { Call } from '../call.ts'
import type { ForwardPlan } from '../forward/forward-plan.ts'
import { tableLookups, trainableTables } from '../table-lookups.ts'
import { tableStorage } from '../table-storage.ts'
import type { TableStorage } from '../table-storage.ts'

/** A plan of the backward pass as data. */
export interface BackwardPlan {
  readonly call: Call
  readonly query: GradientPasses
  readonly key: GradientPasses
  readonly layout: DataLayout
  /** Sequences, sinks, tables, then the block maps. */
  readonly data: PackedData
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
  const { call } = forward
  const { shape, attention, scoreModifiers: modifiers, shortText } = call
  const { headDim, valueDim, queryLength, keyLength } = shape
  const { mask, dropout } = attention
  const within = dropout?.within
  const lookups = tableLookups(caller, shape, attention)
  const layout = dataLayout([
    ...[mask, ...modifiers].flatMap((part) => (part ? [part.expression.node] : [])),
    ...lookups
      .flatMap(({ indices, derivative }) => [...indices, derivative])
      .map(({ node }) => node),
    ...counterNodes(within),
  ])
  const packed = packData(layout, headWords(attention))

  const rulesWith = (looked: typeof lookups): GradientRules => ({
    ...gradientRules(mask, modifiers, looked, layout, within),
    shortText,
  })
  const rules = rulesWith([])
  const rulesOf = (
    { mask: ofPass, queryOrder, keyOrder }: SparsityPass,
    tile: { readonly queries: number; readonly keys: number },
  ): GradientRules => ({
    ...gradientRules(
      ofPass,
      modifiers,
      [],
      layout,
      within,
      queryOrder || keyOrder ? { queryOrder, keyOrder, tile } : undefined,
    ),
    shortText,
  })
  const maps: Uint32Array[] = []
  /** A pass of a kernel with its block map, which is packed behind the words so far. */
  const placed = <Chosen extends { readonly tile: { rows: number; columns: number } }>(
    rowTokens: 'queries' | 'keys',
    kernel: Chosen,
    sparse?: SparsityPass,
    continues = false,
  ): Chosen & Omit<PassOfRows, 'tileOrigin' | 'parts'> => {
    const ofQueries = rowTokens === 'queries'
    const { rows, columns } = kernel.tile
    const tile = ofQueries ? { queries: rows, keys: columns } : { queries: columns, keys: rows }
    const orders = sparse && (sparse.queryOrder || sparse.keyOrder) ? sparse : undefined
    const slots = {
      queries: orders?.queryOrder?.slots ?? queryLength,
      keys: orders?.keyOrder?.slots ?? keyLength,
    }
    // Whatever kernel the forward pass has, and whether that one needs a map.
    const map =
      sparse?.blockMap ??
      call.visibility.blockMap({ queryBlockSize: tile.queries, keyBlockSize: tile.keys })
    const blockMap = map && (ofQueries ? map : byKey(map))
    const packedMap = blockMap && packBlockMap(blockMap)
    const mapBase = maps.reduce((words, map) => words + map.length, packed.words.length)
    if (packedMap) maps.push(packedMap.words)
    return {
      ...kernel,
      rowTokens,
      rules: sparse
        ? rulesOf(sparse, tile)
        : ofQueries && lookups.length > 0
          ? rulesWith(lookups)
          : rules,
      rowTiles: Math.ceil((ofQueries ? slots.queries : slots.keys) / rows),
      columnTiles: Math.ceil((ofQueries ? slots.keys : slots.queries) / columns),
      blockMap,
      packedMap,
      mapBase,
      orders,
      continues,
      pairOperations: ofQueries ? 4 * headDim + 2 * valueDim : 4 * headDim + 4 * valueDim,
    }
  }
  const passesOf = (gradients: GradientRows): GradientPasses => {
    const rowTokens = gradients === 'query' ? 'queries' : 'keys'
    const tables = gradients === 'query' && lookups.length > 0
    const kernel = chooseGradientKernel(
      caller,
      gradients,
      forward,
      tiles[gradients],
      capabilities,
      { slopes: rules.hasSlopes, tables },
    )
    const choice = chooseGradientPasses(call, rowTokens, kernel.tile, limits, tables)
    const passOf = (sparse?: SparsityPass, continues = false): GradientPass => {
      const pass = placed(rowTokens, kernel, sparse, continues)
      // Sums of tables' gradients are one for each row of tiles.
      const parts = tables ? 1 : gradientParts(shape, pass, limits)
      if (pass.kind !== 'split-matrix') return { ...pass, parts }
      // Heads of either kind have as many parts; those that are not split are left to one pass in natural order.
      const unsplit = { ...placed(rowTokens, pass.unsplit), parts: sparse ? 1 : parts }
      return { ...pass, parts, unsplit: continues ? undefined : unsplit }
    }
    const [first, ...others] = choice?.passes ?? []
    const passes: GradientPasses['passes'] = [
      passOf(first),
      ...others.map((sparse) => passOf(sparse, true)),
    ]
    return {
      passes,
      choice,
      totals: contiguousNeedTotals(caller, call, passes, capabilities),
      fromZeros: startsFromZeros(choice?.passes, rowTokens),
    }
  }
  const query = passesOf('query')
  const key = passesOf('key')
  // Kernels on subgroup matrices sum none.
  const [{ kind, tile, rowTiles }] = query.passes
  const threads = kind === 'tiled' ? tile.threadRows * tile.threadColumns : 0
  const storage = tableStorage(shape, lookups, { threads, rowTiles })
  const { maxStorageBufferBindingSize } = limits
  if (4 * storage.length > maxStorageBufferBindingSize) {
    throw new UnsupportedError(
      `${caller}: gradients of trainable tables need ${4 * storage.length} bytes, the device has maxStorageBufferBindingSize=${maxStorageBufferBindingSize}; use smaller tables or request a larger limit`,
    )
  }
  return {
    call,
    query,
    key,
    layout,
    data: packBehind(packed, maps),
    tables: trainableTables(attention),
    storage,
    headroom: [query, key].some(({ passes: [pass] }) => pass.kind !== 'tiled')
      ? gradientHeadroom(call)
      : undefined,
  }
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
