// Scores of matrices that sum in float16 alone: the dims of one product are summed so, and these parts are
// added in float32, as lanes take them. Parts beyond float16 show as infinities, and then all of the
// workgroup is computed again by the lanes themselves.
import { declareNothing, rolledStep } from '../../rolled-loops.ts'
import type { ForwardMatrixConfig } from './config.ts'
import { laneVector, pastFirst } from './lane-rows.ts'
import { eachLaneVector } from './lane-vectors.ts'

/** Declares `score{r}_{j}`; raises `overflown`. */
export function takeHalfScores(config: ForwardMatrixConfig, scale: string): string {
  const { tile, memory } = config
  return eachLaneVector(config, (r, j) => {
    const place = `ownRow${r} * scoreStride + ${laneVector(tile, j)}`
    const parts = Array.from(
      { length: memory.planes },
      (_, plane) => `vec4<f32>(scores[subgroup][${plane * memory.scores}u + ${place}])`,
    )
    return `var score${r}_${j} = ${parts.join(' + ')};
if (exact) {
  score${r}_${j} = scoresOfLane(queryBase + min(queryRow${r}, lastQuery) * params.queryRow, keyBase, firstKey + column + ${pastFirst(tile, j, 0)}u, lastKey);
} else {
  overflown = overflown || notFinite(score${r}_${j});
}
${scale === '' ? '' : `score${r}_${j} *= scale;`}`
  })
}

/** WGSL of what the text above calls. Software adapters would compile every round of its loops, in every call of it. */
export function halfScoreFunctions({ headDim, shortText }: ForwardMatrixConfig): string {
  const step = (name: string): string => (shortText ? rolledStep(name) : `${name}++`)
  return /* wgsl */ `fn notFinite(values: vec4<f32>) -> bool {
  return any((bitcast<vec4<u32>>(values) & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u));
}

// Four scores, summed in float32.
fn scoresOfLane(queryPlace: u32, keyBase: u32, firstKey: u32, lastKey: u32) -> vec4<f32> {
  var sums = vec4<f32>(0.0);${shortText ? `\n  ${declareNothing}` : ''}
  for (var k = 0u; k < 4u; ${step('k')}) {
    for (var d = 0u; d < ${headDim / 4}u; ${step('d')}) {
      sums[k] += dot(loadQuery(queryPlace, d), loadKey(keyBase + min(firstKey + k, lastKey) * params.keyRow, d));
    }
  }
  return sums;
}`
}
