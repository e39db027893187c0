// The backward kernels on subgroup matrices for float32, each of whose products is three of float16.
import { isSoftware } from '../../device/software.ts'
import { splitGradientKernel } from '../../kernels/backward/split/gradient-split.wgsl.ts'
import { describeOrigin } from '../tuning.ts'
import type { MatrixFamily, MatrixRequest, SplitGradient } from './gradient-kernel.ts'
import { fewTokensReason } from './kernel-by-tokens.ts'
import {
  chooseSplitMatrixTile,
  halvedSplitTile,
  splitMatrixMemory,
  splitMatrixTileProblem,
} from './split-matrix-tile.ts'
import type { SplitMatrixTile } from './split-matrix-tile.ts'

/** Fewer tokens are done before float32 is split. */
const leastSplit = 128

/** Makes the kernel. */
export const splitGradient: MatrixFamily = (request) => {
  const { call, gradients, given, problem, capabilities } = request
  const { shape, dtype } = call
  if (given && !('pairs' in given)) return undefined
  if (!given && dtype !== 'float32') return undefined
  if (dtype !== 'float32') return { refused: 'tiles of pairs of subgroups are for float32' }
  if (problem !== undefined) return { refused: problem }
  if (!given && isSoftware(capabilities)) {
    return { refused: 'software imitates subgroup matrices slowly' }
  }
  if (!given && Math.min(shape.queryLength, shape.keyLength) < leastSplit) {
    return {
      refused: `fewer than ${leastSplit} queries or keys do not pay for splitting float32`,
    }
  }
  const tile = given ?? chooseSplitMatrixTile(gradients, shape, capabilities)
  if (!tile) return { refused: 'the device has no subgroup matrices for these dims' }
  const unfit = given && splitMatrixTileProblem(given, shape, gradients, capabilities)
  if (unfit !== undefined) return { refused: unfit }
  const halved = given ? undefined : halvedSplitTile(tile, shape, gradients, capabilities)
  return {
    ...kernelOf(request, tile),
    ...(halved && { ofFewTokens: kernelOf(request, halved, fewTokensReason) }),
  }
}

function kernelOf(
  { call: { shape }, gradients, origin }: MatrixRequest,
  tile: SplitMatrixTile,
  why = '',
): SplitGradient {
  const memory = splitMatrixMemory(tile, shape.headDim, gradients)
  const writes: SplitGradient['writes'] = gradients === 'query' ? ['dQuery'] : ['dValue', 'dKey']
  return {
    kind: 'split-matrix',
    tile,
    workgroupBytes: memory.bytes,
    reason: describeOrigin(
      origin,
      `float32 as three float16 products each on subgroup matrices, summed in float32; heads whose rows differ too much or are not finite in plain WGSL${why}`,
    ),
    teams: false,
    scales: 'powers',
    readsHalves: true,
    readsTotals: false,
    writes,
    text: (config) => {
      const outputs = writes.map((name) => config.gradients[name])
      const rowTokens = gradients === 'query' ? 'queries' : 'keys'
      return splitGradientKernel({ ...config, rowTokens, tile, memory, outputs })
    },
  }
}
