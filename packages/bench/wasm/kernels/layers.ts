// What a decoder does to each token by itself: embeddings, RMSNorm (arXiv 1910.07467), GELU (arXiv
// 1606.08415, by tanh), rotary embeddings and the cross-entropy, forward and backward. All counts of numbers
// are multiples of 4.
import { exponential, largestOf, sumOf } from './vector'

function at(base: usize, index: i32): usize {
  return base + ((<usize>index) << 2)
}

/** out[t] = table[tokens[t]] + positions[t mod length], where positions are not 0. */
export function embed(
  count: i32,
  length: i32,
  width: i32,
  tokens: usize,
  table: usize,
  positions: usize,
  out: usize,
): void {
  for (let t = 0; t < count; t++) {
    const row = at(table, load<i32>(at(tokens, t)) * width)
    const place = at(positions, (t % length) * width)
    for (let i = 0; i < width; i += 4) {
      let x = v128.load(at(row, i))
      if (positions) x = f32x4.add(x, v128.load(at(place, i)))
      v128.store(at(out, t * width + i), x)
    }
  }
}

/** dTable[tokens[t]] += dOut[t], and dPositions[t mod length] += dOut[t] unless it is 0. */
export function embedBackward(
  count: i32,
  length: i32,
  width: i32,
  tokens: usize,
  dOut: usize,
  dTable: usize,
  dPositions: usize,
): void {
  for (let t = 0; t < count; t++) {
    const row = at(dTable, load<i32>(at(tokens, t)) * width)
    const place = at(dPositions, (t % length) * width)
    for (let i = 0; i < width; i += 4) {
      const d = v128.load(at(dOut, t * width + i))
      v128.store(at(row, i), f32x4.add(v128.load(at(row, i)), d))
      if (dPositions) v128.store(at(place, i), f32x4.add(v128.load(at(place, i)), d))
    }
  }
}

/** out = x / rms(x) * gain, row by row; the inverses of the roots are kept. */
export function normalize(
  rows: i32,
  width: i32,
  x: usize,
  gain: usize,
  out: usize,
  inverses: usize,
): void {
  for (let r = 0; r < rows; r++) {
    const row = at(x, r * width)
    let squares = f32x4.splat(0)
    for (let i = 0; i < width; i += 4) {
      const value = v128.load(at(row, i))
      squares = f32x4.add(squares, f32x4.mul(value, value))
    }
    const inverse: f32 = 1 / sqrt<f32>(sumOf(squares) / <f32>width + <f32>1e-5)
    store<f32>(at(inverses, r), inverse)
    const factor = f32x4.splat(inverse)
    for (let i = 0; i < width; i += 4) {
      const normal = f32x4.mul(v128.load(at(row, i)), factor)
      v128.store(at(out, r * width + i), f32x4.mul(normal, v128.load(at(gain, i))))
    }
  }
}

/** dX += .., dGain += .. */
export function normalizeBackward(
  rows: i32,
  width: i32,
  x: usize,
  gain: usize,
  inverses: usize,
  dOut: usize,
  dX: usize,
  dGain: usize,
): void {
  for (let r = 0; r < rows; r++) {
    const row = at(x, r * width)
    const d = at(dOut, r * width)
    const result = at(dX, r * width)
    const inverse = load<f32>(at(inverses, r))
    const factor = f32x4.splat(inverse)
    let dots = f32x4.splat(0)
    for (let i = 0; i < width; i += 4) {
      const normal = f32x4.mul(v128.load(at(row, i)), factor)
      const part = f32x4.mul(v128.load(at(d, i)), normal)
      v128.store(at(dGain, i), f32x4.add(v128.load(at(dGain, i)), part))
      dots = f32x4.add(dots, f32x4.mul(part, v128.load(at(gain, i))))
    }
    const mean = f32x4.splat(sumOf(dots) / <f32>width)
    for (let i = 0; i < width; i += 4) {
      const normal = f32x4.mul(v128.load(at(row, i)), factor)
      const scaled = f32x4.mul(v128.load(at(d, i)), v128.load(at(gain, i)))
      const change = f32x4.mul(f32x4.sub(scaled, f32x4.mul(normal, mean)), factor)
      v128.store(at(result, i), f32x4.add(v128.load(at(result, i)), change))
    }
  }
}

/** 1 / (1 + e^-u) of u = 2 sqrt(2 / pi) (x + 0.044715 x^3): what GELU multiplies x by. */
function gate(x: v128): v128 {
  const one = f32x4.splat(1)
  const cubic = f32x4.add(f32x4.mul(f32x4.mul(x, x), f32x4.splat(0.044715)), one)
  const u = f32x4.mul(f32x4.mul(x, cubic), f32x4.splat(-1.5957691216057308))
  return f32x4.div(one, f32x4.add(one, exponential(u)))
}

/** out = gelu(x). */
export function gelu(count: i32, x: usize, out: usize): void {
  for (let i = 0; i < count; i += 4) {
    const value = v128.load(at(x, i))
    v128.store(at(out, i), f32x4.mul(value, gate(value)))
  }
}

/** d becomes d * gelu'(x). */
export function geluBackward(count: i32, x: usize, d: usize): void {
  const one = f32x4.splat(1)
  for (let i = 0; i < count; i += 4) {
    const value = v128.load(at(x, i))
    const open = gate(value)
    const square = f32x4.mul(value, value)
    const inner = f32x4.mul(
      f32x4.add(f32x4.mul(square, f32x4.splat(3 * 0.044715)), one),
      f32x4.splat(1.5957691216057308),
    )
    const closing = f32x4.mul(f32x4.mul(open, f32x4.sub(one, open)), f32x4.mul(value, inner))
    v128.store(at(d, i), f32x4.mul(v128.load(at(d, i)), f32x4.add(open, closing)))
  }
}

/**
 * Turns x `[tokens, heads, dim]` in place, element j with j + dim / 2, by the angles of the token's place:
 * `cosines` and `sines` are `[length, dim / 2]`.
 *
 * @param back - 1 turns back, which is the gradient.
 */
export function turn(
  count: i32,
  length: i32,
  heads: i32,
  dim: i32,
  cosines: usize,
  sines: usize,
  x: usize,
  back: i32,
): void {
  const half = dim / 2
  const sign = f32x4.splat(back ? -1 : 1)
  for (let t = 0; t < count; t++) {
    const place = (t % length) * half
    for (let head = 0; head < heads; head++) {
      const row = (t * heads + head) * dim
      for (let j = 0; j < half; j += 4) {
        const c = v128.load(at(cosines, place + j))
        const s = f32x4.mul(v128.load(at(sines, place + j)), sign)
        const low = at(x, row + j)
        const high = at(x, row + half + j)
        const a = v128.load(low)
        const b = v128.load(high)
        v128.store(low, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)))
        v128.store(high, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)))
      }
    }
  }
}

/**
 * -log softmax(logits)[target] of each row, and the gradient of their mean in place of the logits.
 *
 * @param vocabulary - Numbers of a row that count; those up to `row` are padding.
 * @param gradients - 1 overwrites the logits with gradients.
 */
export function crossEntropy(
  rows: i32,
  vocabulary: i32,
  row: i32,
  logits: usize,
  targets: usize,
  losses: usize,
  gradients: i32,
): void {
  const share: f32 = 1 / <f32>rows
  for (let r = 0; r < rows; r++) {
    const scores = at(logits, r * row)
    for (let i = vocabulary; i < row; i++) store<f32>(at(scores, i), -Infinity)
    const target = load<i32>(at(targets, r))
    const own = load<f32>(at(scores, target))
    let largest = f32x4.splat(-Infinity)
    for (let i = 0; i < row; i += 4) largest = f32x4.max(largest, v128.load(at(scores, i)))
    const most = largestOf(largest)
    const shift = f32x4.splat(most)
    let sums = f32x4.splat(0)
    for (let i = 0; i < row; i += 4) {
      const weight = exponential(f32x4.sub(v128.load(at(scores, i)), shift))
      sums = f32x4.add(sums, weight)
      if (gradients) v128.store(at(scores, i), weight)
    }
    const sum = sumOf(sums)
    store<f32>(at(losses, r), <f32>Math.log(<f64>sum) + most - own)
    if (!gradients) continue
    const factor = f32x4.splat(share / sum)
    for (let i = 0; i < row; i += 4) {
      v128.store(at(scores, i), f32x4.mul(v128.load(at(scores, i)), factor))
    }
    store<f32>(at(scores, target), load<f32>(at(scores, target)) - share)
  }
}

/** out += x. */
export function accumulate(count: i32, x: usize, out: usize): void {
  for (let i = 0; i < count; i += 4) {
    v128.store(at(out, i), f32x4.add(v128.load(at(out, i)), v128.load(at(x, i))))
  }
}
