// Angles of rotary embeddings in WGSL: whole numbers of 2^-32 turns, so that a position times a frequency is
// reduced exactly, and sines and cosines to the last place.

/**
 * WGSL of `turnOf`. Taylor-like polynomials on an eighth of a turn (Cephes, sinf and cosf): below one unit
 * in the last place. WGSL's own cos and sin only promise 2^-11.
 */
export const angleFunctions: string = /* wgsl */ `struct Turn {
  cosine: vec4<f32>,
  sine: vec4<f32>,
}

/* Angles at a position, in units of 2^-32 turns; what exceeds a turn falls away. */
fn anglesAt(position: vec2<u32>, high: vec4<u32>, low: vec4<u32>, whole: vec4<u32>) -> vec4<u32> {
  let negative = (position.x >> 31u) == 1u;
  let distance = select(position.x, 0u - position.x, negative);
  let turned = high * distance + multiplyHigh(low, distance);
  let part = whole * position.y + multiplyHigh(high, position.y);
  return select(turned, vec4<u32>(0u) - turned, negative) + part;
}

fn turnBy(angles: vec4<u32>) -> Turn {
  let quarter = (angles + vec4<u32>(0x20000000u)) >> vec4<u32>(30u);
  let rest = vec4<i32>(angles - (quarter << vec4<u32>(30u)));
  // A float holds 24 of the 30 bits, a second one the others.
  let near = vec4<f32>(rest);
  let missing = vec4<f32>(rest - vec4<i32>(near));
  let x = fma(near, vec4<f32>(unitHigh), near * unitLow + missing * unitHigh);
  let z = x * x;
  let sine = fma(((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z, x, x);
  let cosine = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * (z * z) - 0.5f * z + 1.0f;
  let odd = (quarter & vec4<u32>(1u)) == vec4<u32>(1u);
  let c = select(cosine, sine, odd);
  let s = select(sine, cosine, odd);
  let second = ((quarter + vec4<u32>(1u)) & vec4<u32>(2u)) == vec4<u32>(2u);
  return Turn(select(c, -c, second), select(s, -s, quarter >= vec4<u32>(2u)));
}

/* Cosines and sines times the attention factor, sines with the sign of the direction. */
fn turnOf(position: vec2<u32>, high: vec4<u32>, low: vec4<u32>, whole: vec4<u32>) -> Turn {
  let turn = turnBy(anglesAt(position, high, low, whole));
  let factor = bitcast<f32>(params.factor);
  return Turn(turn.cosine * factor, turn.sine * (factor * bitcast<f32>(params.direction)));
}

// 2 pi / 2^32 as the sum of two floats.
const unitHigh = ${Math.fround((2 * Math.PI) / 2 ** 32)}f;
const unitLow = ${Math.fround((2 * Math.PI) / 2 ** 32 - Math.fround((2 * Math.PI) / 2 ** 32))}f;`
