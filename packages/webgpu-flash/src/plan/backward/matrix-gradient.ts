// The backward kernels on subgroup matrices for float16.
import { isSoftware } from '../../device/software.ts'
import { gradientMatrixKernel } from '../../kernels/backward/matrix/backward-matrix.wgsl.ts'
import { describeOrigin } from '../tuning.ts'
import type { MatrixFamily, MatrixGradient, MatrixRequest } from './gradient-kernel.ts'
import {
  chooseGradientMatrixTile,
  gradientMatrixMemory,
  gradientMatrixTileProblem,
  halvedMatrixTile,
} from './gradient-matrix-tile.ts'
import type { GradientMatrixTile } from './gradient-matrix-tile.ts'
import { fewTokensReason } from './kernel-by-tokens.ts'

/** Makes the kernel. */
export const matrixGradient: MatrixFamily = (request) => {
  const { call, gradients, given, problem, capabilities } = request
  const { shape, dtype } = call
  if (given && 'pairs' in given) return undefined
  if (!given && dtype !== 'float16') return undefined
  if (dtype !== 'float16') {
    return { refused: 'tiles of subgroup matrices without pairs are for float16' }
  }
  if (problem !== undefined) return { refused: problem }
  if (!given && isSoftware(capabilities)) {
    return { refused: 'software imitates subgroup matrices slowly' }
  }
  const tile = given ?? chooseGradientMatrixTile(gradients, shape, capabilities)
  if (!tile) return { refused: 'the device has no subgroup matrices for these dims' }
  const unfit = given && gradientMatrixTileProblem(given, shape, gradients, capabilities)
  if (unfit !== undefined) return { refused: unfit }
  const halved = given ? undefined : halvedMatrixTile(tile, shape, gradients, capabilities)
  return {
    ...kernelOf(request, tile),
    ...(halved && { ofFewTokens: kernelOf(request, halved, fewTokensReason) }),
  }
}

function kernelOf(
  { call: { shape }, gradients, origin }: MatrixRequest,
  tile: GradientMatrixTile,
  why = '',
): MatrixGradient {
  const memory = gradientMatrixMemory(tile, shape.headDim, shape.valueDim, gradients)
  const writes: MatrixGradient['writes'] = gradients === 'query' ? ['dQuery'] : ['dValue', 'dKey']
  return {
    kind: 'subgroup-matrix',
    tile,
    workgroupBytes: memory.bytes,
    reason: describeOrigin(
      origin,
      `float16 products on subgroup matrices with float32 sums, dS scaled by a power of two${why}`,
    ),
    teams: false,
    scales: 'magnitudes',
    readsHalves: false,
    readsTotals: true,
    writes,
    text: (config) => {
      const outputs = writes.map((name) => config.gradients[name])
      const rowTokens = gradients === 'query' ? 'queries' : 'keys'
      return gradientMatrixKernel({ ...config, rowTokens, tile, memory, outputs })
    },
  }
}
