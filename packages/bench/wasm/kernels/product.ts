// Matrix products: c[m, n] (+)= a[m, k] b[k, n]. Four rows by eight columns of c stay in registers while
// k goes by, so that a step has eight multiplications and additions of four numbers for six loads.

/** Of k, so that the rows of b that a tile passes stay in the nearest cache. */
const depth: i32 = 256

/**
 * @param n - A multiple of 8.
 * @param a - Element (i, k) lies at `i * aRow + k * aColumn`: a transposed matrix is another stride.
 * @param add - 1 adds to what c holds.
 */
export function product(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aRow: i32,
  aColumn: i32,
  b: usize,
  bRow: i32,
  c: usize,
  cRow: i32,
  add: i32,
): void {
  const aStep = (<usize>aColumn) << 2
  const aNext = (<usize>aRow) << 2
  const bStep = (<usize>bRow) << 2
  const cNext = (<usize>cRow) << 2
  if (k === 0 && !add) {
    for (let i = 0; i < m; i++) memory.fill(c + <usize>i * cNext, 0, (<usize>n) << 2)
  }
  for (let from = 0; from < k; from += depth) {
    const steps = min(k - from, depth)
    const keep = add | i32(from > 0)
    const aPart = a + <usize>from * aStep
    const bPart = b + <usize>from * bStep
    let i = 0
    for (; i + 4 <= m; i += 4) {
      for (let j = 0; j < n; j += 8) {
        fourRows(
          steps,
          aPart + <usize>i * aNext,
          aNext,
          aStep,
          bPart + ((<usize>j) << 2),
          bStep,
          c + <usize>i * cNext + ((<usize>j) << 2),
          cNext,
          keep,
        )
      }
    }
    for (; i < m; i++) {
      for (let j = 0; j < n; j += 8) {
        oneRow(
          steps,
          aPart + <usize>i * aNext,
          aStep,
          bPart + ((<usize>j) << 2),
          bStep,
          c + <usize>i * cNext + ((<usize>j) << 2),
          keep,
        )
      }
    }
  }
}

function fourRows(
  steps: i32,
  a: usize,
  aNext: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cNext: usize,
  keep: i32,
): void {
  let a1 = a + aNext
  let a2 = a1 + aNext
  let a3 = a2 + aNext
  const c1 = c + cNext
  const c2 = c1 + cNext
  const c3 = c2 + cNext
  let s00 = f32x4.splat(0)
  let s01 = s00
  let s10 = s00
  let s11 = s00
  let s20 = s00
  let s21 = s00
  let s30 = s00
  let s31 = s00
  if (keep) {
    s00 = v128.load(c)
    s01 = v128.load(c, 16)
    s10 = v128.load(c1)
    s11 = v128.load(c1, 16)
    s20 = v128.load(c2)
    s21 = v128.load(c2, 16)
    s30 = v128.load(c3)
    s31 = v128.load(c3, 16)
  }
  for (let step = 0; step < steps; step++) {
    const left = v128.load(b)
    const right = v128.load(b, 16)
    const x0 = v128.load32_splat(a)
    s00 = f32x4.add(s00, f32x4.mul(x0, left))
    s01 = f32x4.add(s01, f32x4.mul(x0, right))
    const x1 = v128.load32_splat(a1)
    s10 = f32x4.add(s10, f32x4.mul(x1, left))
    s11 = f32x4.add(s11, f32x4.mul(x1, right))
    const x2 = v128.load32_splat(a2)
    s20 = f32x4.add(s20, f32x4.mul(x2, left))
    s21 = f32x4.add(s21, f32x4.mul(x2, right))
    const x3 = v128.load32_splat(a3)
    s30 = f32x4.add(s30, f32x4.mul(x3, left))
    s31 = f32x4.add(s31, f32x4.mul(x3, right))
    b += bStep
    a += aStep
    a1 += aStep
    a2 += aStep
    a3 += aStep
  }
  v128.store(c, s00)
  v128.store(c, s01, 16)
  v128.store(c1, s10)
  v128.store(c1, s11, 16)
  v128.store(c2, s20)
  v128.store(c2, s21, 16)
  v128.store(c3, s30)
  v128.store(c3, s31, 16)
}

function oneRow(
  steps: i32,
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  keep: i32,
): void {
  let left = keep ? v128.load(c) : f32x4.splat(0)
  let right = keep ? v128.load(c, 16) : f32x4.splat(0)
  for (let step = 0; step < steps; step++) {
    const x = v128.load32_splat(a)
    left = f32x4.add(left, f32x4.mul(x, v128.load(b)))
    right = f32x4.add(right, f32x4.mul(x, v128.load(b, 16)))
    b += bStep
    a += aStep
  }
  v128.store(c, left)
  v128.store(c, right, 16)
}

/** out[n, m] = a[m, n]; columns m .. outRow of out become 0. */
export function transpose(m: i32, n: i32, a: usize, aRow: i32, out: usize, outRow: i32): void {
  for (let j = 0; j < n; j++) {
    const row = out + ((<usize>(j * outRow)) << 2)
    for (let i = 0; i < m; i++) {
      store<f32>(row + ((<usize>i) << 2), load<f32>(a + ((<usize>(i * aRow + j)) << 2)))
    }
    for (let i = m; i < outRow; i++) store<f32>(row + ((<usize>i) << 2), 0)
  }
}
