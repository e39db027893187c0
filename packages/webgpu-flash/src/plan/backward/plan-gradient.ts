// Planning the gradients of rows, decided in turn: the kernel with its tile, the orders that tokens stand in for tiles of
// that size, and into how many parts the rows of each pass are shared.
import { transposeBlockMap } from '@attn/core'
import type { BlockMap, SparsityPass } from '@attn/core'
import type { DataLayout } from '../../codegen/data-layout.ts'
import { gradientRules } from '../../codegen/gradient-rules.ts'
import type { GradientRules } from '../../codegen/gradient-rules.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import type { Call } from '../call.ts'
import type { ForwardPlan } from '../forward/forward-plan.ts'
import { packBlockMap } from '../pack-block-map.ts'
import type { TableLookup } from '../table-lookups.ts'
import { blockSizes } from '../visibility.ts'
import type { GradientRows } from './backward-tile.ts'
import type { ChosenKernels } from './choose-gradient-kernel.ts'
import type { GradientKernel } from './gradient-kernel.ts'
import { chooseGradientPasses, startsFromZeros } from './gradient-orders.ts'
import { gradientParts } from './gradient-parts.ts'
import type { GradientPass, GradientPasses } from './gradient-passes.ts'
import { contiguousNeedTotals } from './gradient-totals.ts'

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
  const { kernel } = chosen
  const choice = chooseGradientPasses(call, rowTokens, kernel.tile, limits, tables)
  const passOf = (sparse?: SparsityPass, continues = false): GradientPass => {
    const pass = placePass(source, rowTokens, kernel, sparse, continues)
    // Sums of tables' gradients are one for each row of tiles.
    return tables
      ? pass
      : { ...pass, parts: gradientParts(call.shape, pass, limits, call.workBudget) }
  }
  const [first, ...others] = choice?.passes ?? []
  const firstPass = passOf(first)
  // Heads of either kind have as many parts; those that are not split are left to one pass in natural order.
  const leftOut = chosen.leftOut && {
    ...placePass(source, rowTokens, chosen.leftOut),
    parts: first ? 1 : firstPass.parts,
  }
  const passes: GradientPasses['passes'] = [
    firstPass,
    ...others.map((sparse) => passOf(sparse, true)),
  ]
  return {
    rowTokens,
    kernel,
    passes,
    leftOut,
    choice,
    totals: contiguousNeedTotals(caller, call, passes, capabilities),
    fromZeros: startsFromZeros(choice?.passes, rowTokens),
  }
}

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
  const tile = ofQueries ? { queries: rows, keys: columns } : { queries: columns, keys: rows }
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
    continues,
    parts: 1,
    pairOperations: ofQueries ? 4 * headDim + 2 * valueDim : 4 * headDim + 4 * valueDim,
  }
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
