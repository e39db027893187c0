// The softmax between the two products: probabilities as in forward/matrix, each as two halves. The first are
// cut off and not rounded: probabilities are not negative, and both halves then are as exact. Scores are compared
// with references in their own unit, since the difference of two large exponents would lose bits.
import type { ForwardMatrixConfig } from '../matrix/config.ts'
import { laneVector } from '../matrix/lane-rows.ts'
import { eachLaneVector } from '../matrix/lane-vectors.ts'
import { thinned, tileShares } from '../matrix/probabilities.ts'

/** Scores of a tile to halves of probabilities in workgroup memory. */
export function splitProbabilities(config: ForwardMatrixConfig): string {
  const { tile } = config
  return [
    tileShares(config, (score, r) => `(${score} - vec4<f32>(base${r})) * exponentScale`),
    config.dropout ? thinned(config) : '',
    eachLaneVector(
      config,
      (r, j) => `{
  let first = bitcast<vec4<f32>>(bitcast<vec4<u32>>(share${r}_${j}) & vec4<u32>(0xffffe000u));
  let place = ownRow${r} * probabilityStride + ${laneVector(tile, j)};
  probabilities[subgroup][place] = vec4<f16>(first);
  probabilities[subgroup][place + ${tile.keys / 4}u] = vec4<f16>(share${r}_${j} - first);
}`,
    ),
  ]
    .filter((part) => part !== '')
    .join('\n')
}
