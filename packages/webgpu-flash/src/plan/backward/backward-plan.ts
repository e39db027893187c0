// Planning the backward pass: what `plan({ training: true })` needs besides the forward plan, again
// without touching a GPU.
import { UnsupportedError } from '@attn/core'
import type { Table } from '@attn/core'
import { counterNodes, dataLayout, packBehind, packData } from '../../codegen/data-layout.ts'
import type { DataLayout, PackedData } from '../../codegen/data-layout.ts'
import { gradientRules } from '../../codegen/gradient-rules.ts'
import type { Capabilities } from '../../device/capabilities.ts'
import type { Call } from '../call.ts'
import type { ForwardPlan } from '../forward/forward-plan.ts'
import { headWords } from '../head-words.ts'
import { tableLookups, trainableTables } from '../table-lookups.ts'
import { tableStorage } from '../table-storage.ts'
import type { TableStorage } from '../table-storage.ts'
import { alikePasses } from './alike-scores.ts'
import type { KernelChooser } from './alike-scores.ts'
import { gradientHeadroom } from './backward-matrices.ts'
import { chooseGradientKernel } from './choose-gradient-kernel.ts'
import type { GradientPasses } from './gradient-passes.ts'
import type { BackwardTiles } from './gradient-tile.ts'
import { planGradient } from './plan-gradient.ts'

/** A plan of the backward pass as data. */
export interface BackwardPlan {
  /** The forward pass whose scores are rounded as those of the gradients are. */
  readonly forward: ForwardPlan
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
 * @param alone - The forward pass as it would be without gradients.
 * @throws RangeError for tiles that do not fit, UnsupportedError for tables whose gradients cannot be
 *   summed, or where the caller asks for kernels of which one keeps the call from another.
 */
export function planBackward(
  caller: string,
  alone: ForwardPlan,
  tiles: BackwardTiles,
  capabilities: Capabilities,
): BackwardPlan {
  const { call } = alone
  const { shape, attention, scoreModifiers, shortText } = call
  const { mask, dropout } = attention
  const within = dropout?.within
  const lookups = tableLookups(caller, shape, attention)
  const layout = dataLayout([
    ...[mask, ...scoreModifiers].flatMap((part) => (part ? [part.expression.node] : [])),
    ...lookups
      .flatMap(({ indices, derivative }) => [...indices, derivative])
      .map(({ node }) => node),
    ...counterNodes(within),
  ])
  const ownRules = gradientRules(mask, scoreModifiers, [], layout, within)
  const sumsTables = lookups.length > 0
  const choose: KernelChooser = (gradients, barred) => {
    const work = { slopes: ownRules.hasSlopes, tables: gradients === 'query' && sumsTables }
    const given = tiles[gradients]
    return chooseGradientKernel(caller, gradients, alone, given, capabilities, work, barred)
  }
  const chosen = alikePasses(caller, alone, { tiles, sumsTables }, choose, capabilities)
  const { forward } = chosen
  const packed = packData(layout, headWords(attention))
  const maps: Uint32Array[] = []
  const source = {
    forward,
    capabilities,
    layout,
    lookups,
    rules: { ...ownRules, shortText },
    placeMap: (words: Uint32Array): number => {
      const begin = maps.reduce((sum, map) => sum + map.length, packed.words.length)
      maps.push(words)
      return begin
    },
  }
  const query = planGradient(caller, source, 'query', chosen.query)
  const key = planGradient(caller, source, 'key', chosen.key)
  // Kernels on subgroup matrices sum none.
  const { kind, tile } = query.kernel
  const threads = kind === 'tiled' ? tile.threadRows * tile.threadColumns : 0
  const { rowTiles } = query.passes[0]
  const storage = tableStorage(shape, lookups, { threads, rowTiles })
  const { maxStorageBufferBindingSize } = capabilities.limits
  if (4 * storage.length > maxStorageBufferBindingSize) {
    throw new UnsupportedError(
      `${caller}: gradients of trainable tables need ${4 * storage.length} bytes, the device has maxStorageBufferBindingSize=${maxStorageBufferBindingSize}; use smaller tables or request a larger limit`,
    )
  }
  return {
    forward,
    call,
    query,
    key,
    layout,
    data: packBehind(packed, maps),
    tables: trainableTables(attention),
    storage,
    headroom: [query, key].some(({ kernel }) => kernel.scales !== 'none')
      ? gradientHeadroom(call)
      : undefined,
  }
}
