// Numbers of all 32 threads joined: among neighbours by shuffles, as far as subgroups reach, and from there on through
// workgroup memory.
import type { DecodeIntegersTile } from '../../../plan/decode/decode-integers-tile.ts'
import { indent, unroll } from '../../../codegen/snippets.ts'

/**
 * WGSL of `largestOfThreads(own, lane, place)` and `sumOfThreads(own, lane, place)`, for each of four rows or blocks.
 * What crosses workgroup memory does so in `weights` from `place` on: a barrier has to stand before and after.
 */
export function acrossThreads(tile: DecodeIntegersTile): string {
  const sum = joined('sumOfThreads', tile, (a, b) => `${a} + ${b}`)
  const largest =
    tile.shuffles === 32 ? halved : joined('largestOfThreads', tile, (a, b) => `max(${a}, ${b})`)
  return `${largest}\n\n${sum}`
}

/** A thread and its neighbours keep one of the four each, and hand it to all in the end. */
const halved = /* wgsl */ `fn largestOfThreads(own: vec4<f32>, lane: u32, place: u32) -> vec4<f32> {
  let upper = (lane & 1u) != 0u;
  let two = max(select(own.xy, own.zw, upper), subgroupShuffleXor(select(own.zw, own.xy, upper), 1u));
  let odd = (lane & 2u) != 0u;
  var one = max(select(two.x, two.y, odd), subgroupShuffleXor(select(two.y, two.x, odd), 2u));
  one = max(one, subgroupShuffleXor(one, 4u));
  one = max(one, subgroupShuffleXor(one, 8u));
  one = max(one, subgroupShuffleXor(one, 16u));
  return vec4<f32>(subgroupShuffle(one, 0u), subgroupShuffle(one, 2u), subgroupShuffle(one, 1u), subgroupShuffle(one, 3u));
}`

function joined(
  name: string,
  { shuffles }: DecodeIntegersTile,
  join: (a: string, b: string) => string,
): string {
  const groups = 32 / shuffles
  const within = unroll(
    Math.log2(shuffles),
    (step) => `all = ${join('all', `subgroupShuffleXor(all, ${2 ** step}u)`)};`,
  )
  const across = `if (lane % ${shuffles}u == 0u) { weights[place + lane / ${shuffles}u] = bitcast<vec4<u32>>(all); }
workgroupBarrier();
all = bitcast<vec4<f32>>(weights[place]);
for (var other = 1u; other < ${groups}u; other++) {
  all = ${join('all', 'bitcast<vec4<f32>>(weights[place + other])')};
}`
  return `fn ${name}(own: vec4<f32>, lane: u32, place: u32) -> vec4<f32> {
  var all = own;
${indent([within, groups > 1 ? across : ''].filter((text) => text !== '').join('\n'), 2)}
  return all;
}`
}
