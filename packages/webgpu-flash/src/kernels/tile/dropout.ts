// Dropout in kernels: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011) counted by (query, key, plane), exactly as core/attention/dropout.ts defines it, so that every
// tiling drops the same pairs. Four pairs at a time, since registers hold scores in fours.
import { multiplyHighFunction } from '../multiply-high.ts'

/** Fields of the uniform block, for kernels with dropout. */
export const dropoutFields = [
  'dropoutThreshold',
  'dropoutScale',
  'dropoutKeyLow',
  'dropoutKeyHigh',
] as const

/** What is counted, of pairs that name themselves. */
const pairCounters = `  var a = query;
  var b = key;
  var c = vec4<u32>(plane);`

/** What is counted where `countedWithin` says what a pair of packed tokens is within its sequence. */
const sequenceCounters = `  let pair0 = countedWithin(i32(query.x), i32(key.x));
  let pair1 = countedWithin(i32(query.y), i32(key.y));
  let pair2 = countedWithin(i32(query.z), i32(key.z));
  let pair3 = countedWithin(i32(query.w), i32(key.w));
  var a = vec4<u32>(pair0.x, pair1.x, pair2.x, pair3.x);
  var b = vec4<u32>(pair0.y, pair1.y, pair2.y, pair3.y);
  var c = vec4<u32>(plane) + params.heads * vec4<u32>(pair0.z, pair1.z, pair2.z, pair3.z);`

/** How a kernel names the query of a pair to `dropoutWeights`: by its row where sequences are packed. */
export function countedQuery(packed: boolean): string {
  return packed ? 'queryIndex' : 'position'
}

/**
 * WGSL of `dropoutWeights(plane, query, key)`: what the probabilities of four pairs are multiplied by.
 * A plane is batch * heads + head; positions are absolute.
 *
 * @param packed - Whether sequences are packed: queries and keys are then rows of the tensors.
 * @param name - Of the function. Default: `dropoutWeights`.
 */
export const dropoutFunctions = (
  packed: boolean,
  name = 'dropoutWeights',
): string => /* wgsl */ `${multiplyHighFunction}

fn ${name}(plane: u32, query: vec4<u32>, key: vec4<u32>) -> vec4<f32> {
${packed ? sequenceCounters : pairCounters}
  var d = vec4<u32>(0u);
  var keyLow = params.dropoutKeyLow;
  var keyHigh = params.dropoutKeyHigh;
  for (var round = 0u; round < 10u; round++) {
    let highA = multiplyHigh(a, 0xd2511f53u);
    let highC = multiplyHigh(c, 0xcd9e8d57u);
    let lowA = a * 0xd2511f53u;
    let lowC = c * 0xcd9e8d57u;
    a = highC ^ b ^ vec4<u32>(keyLow);
    b = lowC;
    c = highA ^ d ^ vec4<u32>(keyHigh);
    d = lowA;
    keyLow += 0x9e3779b9u;
    keyHigh += 0xbb67ae85u;
  }
  let kept = a >= vec4<u32>(params.dropoutThreshold);
  return select(vec4<f32>(0.0), vec4<f32>(bitcast<f32>(params.dropoutScale)), kept);
}`
