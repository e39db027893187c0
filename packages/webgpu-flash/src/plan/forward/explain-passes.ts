// The account of a call in passes of a kernel, and of one by halves, which holds both kernels.
import type { Capabilities } from '../../device/capabilities.ts'
import { elementBytes } from '../../gpu-tensor.ts'
import { contiguousTensors } from '../contiguous-tensors.ts'
import type { KernelAccount } from '../explanation.ts'
import { describeOrigin } from '../tuning.ts'
import { forwardDispatches } from './forward-dispatches.ts'
import type { HalvesPlan, PassesPlan } from './forward-plan.ts'
import { halvesMemory } from './halves-plan.ts'
import type { PassChoice } from './pass-choice.ts'
import { partBytes } from './passes.ts'
import type { ForwardPass, ForwardPasses } from './passes.ts'
import type { SplitRows } from './split-rows.ts'
import { boundWide, keepsWideOutput, narrowDispatches, wideBytes } from './wide-output.ts'

/** Accounts for passes. */
export function explainPasses(
  { passes, choice, origin, whyNoOther }: PassesPlan,
  capabilities: Capabilities,
): KernelAccount {
  const reason = describeOrigin(origin, passes[0].kernel.reason(whyNoOther))
  return { ...accountOf(passes, choice, capabilities), reason }
}

/** Accounts for a call by halves: its kernel, and what both kernels hold. */
export function explainHalves(plan: HalvesPlan, capabilities: Capabilities): KernelAccount {
  const { passes, choice, otherwise, origin } = plan
  const byHalves = accountOf(passes, choice, capabilities)
  const { blockMap, parts } = explainPasses(otherwise, capabilities).memoryBytes
  return {
    ...byHalves,
    reason: describeOrigin(origin, passes[0].kernel.reason('')),
    products: { ofEach: 3, otherwise: otherwise.passes[0].kernel.tile },
    memoryBytes: {
      blockMap: byHalves.memoryBytes.blockMap + blockMap,
      parts: byHalves.memoryBytes.parts + parts,
      halves: halvesMemory(plan),
    },
  }
}

function accountOf(
  passes: ForwardPasses,
  choice: PassChoice | undefined,
  capabilities: Capabilities,
): Omit<KernelAccount, 'reason'> {
  const [{ call, kernel, packedMap }] = passes
  const { tile } = kernel
  const { batch, heads, queryLength, keyLength, headDim, valueDim } = call.shape
  const queryTiles = Math.ceil(queryLength / tile.queries)
  const total = batch * heads * queryTiles * Math.ceil(keyLength / tile.keys)
  const tailTile = keyLength % tile.keys === 0 ? 0 : batch * heads * queryTiles
  const sum = (count: (pass: ForwardPass) => number): number =>
    passes.reduce((all, pass) => all + count(pass), 0)
  // Heads and sequences without maps of their own share one.
  const ofPlanes = ({ blockMap }: ForwardPass, tiles: number): number =>
    (tiles * batch * heads) / (blockMap!.batch * blockMap!.heads)
  const visited = packedMap ? sum((pass) => ofPlanes(pass, pass.packedMap!.visited)) : total
  const full = packedMap ? sum((pass) => ofPlanes(pass, pass.packedMap!.full)) : total - tailTile
  const inLongRows = (count: (rows: SplitRows) => number): number =>
    sum(({ longRows }) => (longRows ? count(longRows) * batch * heads : 0))
  const bytes = elementBytes(call.dtype)
  const rows = batch * heads * queryLength
  const queryReads = visited * tile.queries * headDim
  const contiguous = contiguousTensors(call, capabilities)
  const { limits } = capabilities
  const wide = keepsWideOutput('plan.explain', passes, contiguous, limits)
  const merging = wide ? contiguous.with(3, boundWide(call)) : contiguous
  const dispatches = (pass: ForwardPass): number => {
    const cut = forwardDispatches('plan.explain', pass, merging, limits)
    return cut.dispatches.length + cut.parts.length
  }
  const rounding = wide ? narrowDispatches('plan.explain', call, contiguous[3]!, limits).length : 0
  // Each merge reads and writes what the next one reads; in the end it is rounded.
  const merges = passes.length - 1
  const resultBytes = wide ? 4 : bytes
  return {
    variant: kernel.kind === 'tiled' ? 'tiled' : 'subgroup-matrix',
    tile,
    threads: kernel.threads,
    workgroupMemoryBytes: kernel.workgroupBytes,
    blocks: { total, visited, full, partial: visited - full, skipped: total - visited },
    floatingPointOperations: visited * tile.queries * tile.keys * 2 * (headDim + valueDim),
    dispatches: sum(dispatches) + rounding,
    bytes: {
      read:
        (queryReads + visited * tile.keys * (headDim + valueDim)) * bytes +
        merges * rows * (valueDim * resultBytes + 4) +
        (wide ? rows * valueDim * 4 : 0),
      written:
        passes.length * rows * (valueDim * resultBytes + 4) + (wide ? rows * valueDim * bytes : 0),
    },
    ...(choice ? { passes: explainChoice(choice) } : {}),
    longRows: { rows: inLongRows(({ rows }) => rows), parts: inLongRows(({ parts }) => parts) },
    memoryBytes: {
      blockMap: sum(
        ({ packedMap, longRows }) =>
          (packedMap?.words.byteLength ?? 0) + (longRows?.words.byteLength ?? 0),
      ),
      parts:
        sum((pass) => partBytes(pass).output + partBytes(pass).logSumExp) +
        (wide ? wideBytes(call) : 0),
    },
  }
}

function explainChoice({
  sparsity: { candidates },
  chosen,
  reason,
}: PassChoice): NonNullable<KernelAccount['passes']> {
  return { candidates, chosen: candidates[chosen]!.name, reason }
}
