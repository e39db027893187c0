// Planning the gradients of rows, decided in turn: the kernel with its tile, the orders that tokens stand in for tiles of
// that size, and into how many parts the rows of each pass are shared.
import { transposeBlockMap } from '@attn/core'
import type { AttentionShape, BlockMap, SparsityPass } from '@attn/core'
import type { DataLayout } from '../../codegen/data-layout.ts'
import { gradientRules } from '../../codegen/gradient-rules.ts'
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import type { Call } from '../call.ts'
import type { ForwardPlan } from '../forward/forward-plan.ts'
import { packBlockMap } from '../pack-block-map.ts'
import type { PackedBlockMap } from '../pack-block-map.ts'
import type { TableLookup } from '../table-lookups.ts'
import { blockSizes } from '../visibility.ts'
import type { GradientRows } from './backward-tile.ts'
import type { ChosenKernels } from './choose-gradient-kernel.ts'
import type { GradientKernel, TiledGradient } from './gradient-kernel.ts'
import { chooseGradientPasses, startsFromZeros } from './gradient-orders.ts'
import type { OrderChoice } from './gradient-orders.ts'
import { gradientParts } from './gradient-parts.ts'
import { tokenTile } from './token-tile.ts'
import type { GradientPass, GradientPasses } from './gradient-passes.ts'
import { contiguousTotals } from './gradient-totals.ts'
import { kernelByTokens } from './kernel-by-tokens.ts'

/** What the gradients of a call are planned from. */
export interface GradientSource {
  readonly forward: ForwardPlan
  readonly capabilities: Capabilities
  readonly layout: DataLayout
  readonly lookups: readonly TableLookup[]
  /** The rules of a kernel in natural order that sums no tables. */
  readonly rules: GradientRules
  /** Puts a block map behind the words so far; the word at which it begins. */
  placeMap(words: Uint32Array): number
}

/** Plans dQ, or dK and dV, by kernels that were chosen. */
export function planGradient(
  caller: string,
  source: GradientSource,
  gradients: GradientRows,
  chosen: ChosenKernels,
): GradientPasses {
  const { forward, capabilities } = source
  const { call } = forward
  const { limits } = capabilities
  const rowTokens = gradients === 'query' ? 'queries' : 'keys'
  const tables = gradients === 'query' && source.lookups.length > 0
  const choiceOf = ({ tile }: GradientKernel): OrderChoice | undefined =>
    chooseGradientPasses(call, rowTokens, tile, limits, tables)
  const general = choiceOf(chosen.kernel)
  const kernel = kernelByTokens(call, rowTokens, chosen.kernel, general)
  const choice = kernel === chosen.kernel ? general : choiceOf(kernel)
  const passOf = (sparse?: SparsityPass, continues = false): GradientPass => {
    const pass = placePass(source, rowTokens, kernel, sparse, continues)
    // Sums of tables' gradients are one for each row of tiles.
    return tables
      ? pass
      : { ...pass, parts: gradientParts(call.shape, pass, limits, call.workBudget) }
  }
  const [first, ...others] = choice?.passes ?? []
  const firstPass = passOf(first)
  const passes: GradientPasses['passes'] = [
    firstPass,
    ...others.map((sparse) => passOf(sparse, true)),
  ]
  return {
    rowTokens,
    kernel,
    passes,
    leftOut: chosen.leftOut
      ? placeLeftOut(source, rowTokens, chosen.leftOut, choice, firstPass.parts)
      : [],
    choice,
    ...contiguousTotals(caller, call, passes, capabilities),
    fromZeros: startsFromZeros(choice?.passes, rowTokens),
  }
}

/**
 * The passes over heads that are not split: in orders where the others have some, or natural order would be many dispatches
 * that find nothing to do.
 *
 * @param choice - Of the kernel that leaves them out.
 * @param parts - Of that kernel's rows: in natural order heads of either kind have as many.
 */
function placeLeftOut(
  source: GradientSource,
  rowTokens: GradientPass['rowTokens'],
  kernel: TiledGradient,
  choice: OrderChoice | undefined,
  parts: number,
): GradientPass<TiledGradient>[] {
  const { forward, capabilities } = source
  const own = choice?.passes
    ? chooseGradientPasses(forward.call, rowTokens, kernel.tile, capabilities.limits, false)?.passes
    : undefined
  const place = (sparse?: SparsityPass, continues = false) => ({
    ...placePass(source, rowTokens, kernel, sparse, continues),
    rowsInTurn: leftOutRows,
  })
  const zeros = startsFromZeros(choice?.passes, rowTokens)
  if (!own || (startsFromZeros(own, rowTokens) && !zeros)) {
    return [{ ...place(), parts: choice?.passes ? 1 : parts }]
  }
  return own.map((sparse, index) => place(sparse, index > 0))
}

/** Rows of tiles that a workgroup of left out heads has. */
const leftOutRows = 8

/** A pass of a kernel, in natural order or over the pairs of a sparse one, with its block map. Its parts are one. */
function placePass<Kernel extends GradientKernel>(
  source: GradientSource,
  rowTokens: GradientPass['rowTokens'],
  kernel: Kernel,
  sparse?: SparsityPass,
  continues = false,
): GradientPass<Kernel> {
  const { shape, visibility } = source.forward.call
  const { headDim, valueDim, queryLength, keyLength } = shape
  const ofQueries = rowTokens === 'queries'
  const { rows, columns } = kernel.tile
  const tile = tokenTile(rowTokens, kernel.tile)
  const orders = sparse && (sparse.queryOrder || sparse.keyOrder) ? sparse : undefined
  const slots = {
    queries: orders?.queryOrder?.slots ?? queryLength,
    keys: orders?.keyOrder?.slots ?? keyLength,
  }
  // Whatever kernel the forward pass has, and whether that one needs a map.
  const map = sparse?.blockMap ?? visibility.blockMap(blockSizes(tile))
  const blockMap = map && (ofQueries ? map : byKey(map))
  const packedMap = blockMap && packBlockMap(blockMap)
  return {
    rowTokens,
    kernel,
    rules: rulesOf(source, ofQueries, tile, sparse),
    rowTiles: Math.ceil((ofQueries ? slots.queries : slots.keys) / rows),
    columnTiles: Math.ceil((ofQueries ? slots.keys : slots.queries) / columns),
    blockMap,
    packedMap,
    mapBase: source.placeMap(packedMap?.words ?? new Uint32Array(0)),
    orders,
    longestFirst: !(orders && blockMap && hasManyRows(blockMap, packedMap!, shape)),
    continues,
    parts: 1,
    rowsInTurn: 1,
    pairOperations: ofQueries ? 4 * headDim + 2 * valueDim : 4 * headDim + 4 * valueDim,
  }
}

/** As much work as so many of the longest rows have: a device works on a few hundred rows at a time. */
const manyRows = 1024

/** Whether no row is much of the work of a pass. */
function hasManyRows(
  map: BlockMap,
  { visited, rowTiles }: PackedBlockMap,
  { batch, heads }: AttentionShape,
): boolean {
  const longest = rowTiles.reduce((most, tiles) => Math.max(most, tiles), 0)
  const copies = (batch * heads) / (map.batch * map.heads)
  return visited * copies >= manyRows * longest
}

/** The rules of a pass: of the pairs that it sees, in the orders that its tokens stand in. */
function rulesOf(
  { forward, layout, lookups, rules }: GradientSource,
  ofQueries: boolean,
  tile: { readonly queries: number; readonly keys: number },
  sparse: SparsityPass | undefined,
): GradientRules {
  const { attention, scoreModifiers, shortText }: Call = forward.call
  const { mask, dropout } = attention
  const within = dropout?.within
  if (!sparse) {
    if (!ofQueries || lookups.length === 0) return rules
    return { ...gradientRules(mask, scoreModifiers, lookups, layout, within), shortText }
  }
  const { queryOrder, keyOrder } = sparse
  const orders = queryOrder || keyOrder ? { queryOrder, keyOrder, tile } : undefined
  return {
    ...gradientRules(sparse.mask, scoreModifiers, [], layout, within, orders),
    shortText,
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
