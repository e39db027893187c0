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

/**
 * WGSL of `dropoutWeights(plane, query, key)`: what the probabilities of four pairs are multiplied by.
 * A plane is batch * heads + head; positions are absolute.
 */
export const dropoutFunctions: string = /* wgsl */ `${multiplyHighFunction}

fn dropoutWeights(plane: u32, query: vec4<u32>, key: vec4<u32>) -> vec4<f32> {
  var a = query;
  var b = key;
  var c = vec4<u32>(plane);
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
