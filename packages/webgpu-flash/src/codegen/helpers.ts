// WGSL functions that generated expressions call where the language's own operators differ from
// what core's `evaluate` defines.

/** WGSL text of each helper, in an order in which later ones may call earlier ones. */
export const helperFunctions = {
  // From the uniform block, so that no compiler knows it: they may assume that floats are finite.
  negativeInfinity: /* wgsl */ `fn negativeInfinity() -> f32 {
  return bitcast<f32>(params.negativeInfinity);
}`,
  // WGSL's % takes the sign of the dividend; ours is never negative.
  floorModulo: /* wgsl */ `fn floorModulo(a: i32, b: i32) -> i32 {
  let remainder = a % b;
  return select(remainder, remainder + b, remainder < 0);
}`,
  floorDivide: /* wgsl */ `fn floorDivide(a: i32, b: i32) -> i32 {
  return (a - floorModulo(a, b)) / b;
}`,
  // Some drivers compute tanh through exp(2x) and overflow to NaN; beyond 10 it is 1 in float32. Not by
  // clamp, which makes a number of NaN.
  boundedTanh: /* wgsl */ `fn boundedTanh(x: f32) -> f32 {
  return select(tanh(x), sign(x), abs(x) > 10.0);
}`,
  // As on the CPU, NaN where either is; WGSL's own may give the other one.
  floatMinimum: /* wgsl */ `fn floatMinimum(a: f32, b: f32) -> f32 {
  return select(min(a, b), a + b, (bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u);
}`,
  floatMaximum: /* wgsl */ `fn floatMaximum(a: f32, b: f32) -> f32 {
  return select(max(a, b), a + b, (bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u);
}`,
  // WGSL leaves pow(0, y) to exp2(y log2(0)), which some devices make 0 whatever y is. Infinity is the largest
  // number, as everywhere in shaders.
  powerOf: /* wgsl */ `fn powerOf(base: f32, exponent: f32) -> f32 {
  if (base == 0.0) {
    return select(select(0.0, 1.0, exponent == 0.0), 3.4028234663852886e+38f, exponent < 0.0);
  }
  return pow(base, exponent);
}`,
  // An index is clamped to its axis, as on the CPU.
  clampIndex: /* wgsl */ `fn clampIndex(index: i32, size: u32) -> u32 {
  return u32(clamp(index, 0, i32(size) - 1));
}`,
  tableBit: /* wgsl */ `fn tableBit(base: u32, index: u32) -> bool {
  return ((data[base + (index >> 5u)] >> (index & 31u)) & 1u) != 0u;
}`,
  // A relation is its row count, row offsets, and ascending members; `base` is where it begins.
  relationContains: /* wgsl */ `fn relationContains(base: u32, row: i32, member: i32) -> bool {
  let rows = data[base];
  let place = base + 1u + u32(clamp(row, 0, i32(rows) - 1));
  let members = base + 2u + rows;
  var low = data[place];
  let end = data[place + 1u];
  var high = end;
  while (low < high) {
    let middle = (low + high) >> 1u;
    if (bitcast<i32>(data[members + middle]) < member) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  return low < end && bitcast<i32>(data[members + min(low, end - 1u)]) == member;
}`,
} as const

/** A helper that generated text may call. */
export type HelperName = keyof typeof helperFunctions
