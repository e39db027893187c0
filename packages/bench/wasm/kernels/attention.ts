// Causal or masked attention of short sequences, forward and backward, 32 queries at a time: the scores of
// a block are a product, a softmax turns them to probabilities in place, another product takes values.
// Which keys a block visits is a list of runs, so that tiles that a mask empties are skipped.
import { product, transpose } from './product'
import { exponential, largestOf, sumOf } from './vector'

const blockRows: i32 = 32

/** Byte offset of float32 number `index`. */
function at(base: usize, index: i32): usize {
  return base + ((<usize>index) << 2)
}

/**
 * Query, key, value and output are `[batch, length, heads, dim]`.
 *
 * @param row - Numbers in a row of probabilities: `length`, rounded up to a multiple of 8.
 * @param bias - `[biasHeads, length, row]` of what is added to scores, -Infinity for hidden pairs and past
 *   the length; 0 for causal attention without a bias.
 * @param runs - For each of `runHeads` heads and each block of queries the index of its first run, and one
 *   more; then the runs: first key and key after the last, multiples of 8 or the end of the row.
 * @param probabilities - `[batch, heads, length, row]`, or one block where they are not kept.
 * @param scratch - `[dim, row]`.
 */
export function attend(
  batch: i32,
  length: i32,
  heads: i32,
  dim: i32,
  row: i32,
  query: usize,
  key: usize,
  value: usize,
  output: usize,
  bias: usize,
  biasHeads: i32,
  runs: usize,
  runHeads: i32,
  probabilities: usize,
  keep: i32,
  scratch: usize,
): void {
  const width = heads * dim
  const blocks = (length + blockRows - 1) / blockRows
  const runList = at(runs, runHeads * blocks + 1)
  const scale = <f32>(1 / Math.sqrt(<f64>dim))
  for (let plane = 0; plane < batch * heads; plane++) {
    const head = plane % heads
    const start = (plane / heads) * length * width + head * dim
    transpose(length, dim, at(key, start), width, scratch, row)
    for (let block = 0; block < blocks; block++) {
      const first = block * blockRows
      const rows = min(length - first, blockRows)
      const index = at(runs, (head % runHeads) * blocks + block)
      const firstRun = load<i32>(index)
      const lastRun = load<i32>(index, 4)
      const weights = keep ? at(probabilities, (plane * length + first) * row) : probabilities
      const q = at(query, start + first * width)
      const out = at(output, start + first * width)
      for (let run = firstRun; run < lastRun; run++) {
        const from = load<i32>(at(runList, 2 * run))
        const to = load<i32>(at(runList, 2 * run + 1))
        product(
          rows,
          to - from,
          dim,
          q,
          width,
          1,
          at(scratch, from),
          row,
          at(weights, from),
          row,
          0,
        )
      }
      for (let i = 0; i < rows; i++) {
        const biasRow = bias ? at(bias, ((head % biasHeads) * length + first + i) * row) : <usize>0
        softmax(at(weights, i * row), biasRow, first + i, scale, runList, firstRun, lastRun)
      }
      product(rows, dim, 0, q, 0, 0, q, 0, out, width, 0)
      for (let run = firstRun; run < lastRun; run++) {
        const from = load<i32>(at(runList, 2 * run))
        const to = min(load<i32>(at(runList, 2 * run + 1)), length)
        const v = at(value, start + from * width)
        product(rows, dim, to - from, at(weights, from), row, 1, v, width, out, width, 1)
      }
    }
  }
}

/** One row of scores becomes probabilities; without a bias keys after the query are hidden. */
function softmax(
  scores: usize,
  bias: usize,
  query: i32,
  scale: f32,
  runList: usize,
  firstRun: i32,
  lastRun: i32,
): void {
  const scales = f32x4.splat(scale)
  let largest = f32x4.splat(-Infinity)
  for (let run = firstRun; run < lastRun; run++) {
    const from = load<i32>(at(runList, 2 * run))
    const to = load<i32>(at(runList, 2 * run + 1))
    for (let key = from; key < to; key += 4) {
      let score = f32x4.mul(v128.load(at(scores, key)), scales)
      if (bias) score = f32x4.add(score, v128.load(at(bias, key)))
      else if (key + 3 > query) score = hideAfter(score, query - key)
      v128.store(at(scores, key), score)
      largest = f32x4.max(largest, score)
    }
  }
  const most = largestOf(largest)
  // A query that sees nothing: all of its probabilities are 0.
  const shift = f32x4.splat(most === -Infinity ? 0 : most)
  let sums = f32x4.splat(0)
  for (let run = firstRun; run < lastRun; run++) {
    const from = load<i32>(at(runList, 2 * run))
    const to = load<i32>(at(runList, 2 * run + 1))
    for (let key = from; key < to; key += 4) {
      const weight = exponential(f32x4.sub(v128.load(at(scores, key)), shift))
      v128.store(at(scores, key), weight)
      sums = f32x4.add(sums, weight)
    }
  }
  const sum = sumOf(sums)
  const factor = f32x4.splat(sum > 0 ? 1 / sum : 0)
  for (let run = firstRun; run < lastRun; run++) {
    const from = load<i32>(at(runList, 2 * run))
    const to = load<i32>(at(runList, 2 * run + 1))
    for (let key = from; key < to; key += 4) {
      v128.store(at(scores, key), f32x4.mul(v128.load(at(scores, key)), factor))
    }
  }
}

/** Lanes after `last`, which may be negative, become -Infinity. */
function hideAfter(score: v128, last: i32): v128 {
  const visible = i32x4.le_s(i32x4(0, 1, 2, 3), i32x4.splat(last))
  return v128.bitselect(score, f32x4.splat(-Infinity), visible)
}

/**
 * Gradients of query, key and value, which are overwritten, and of the bias, to which it is added.
 *
 * @param dBias - `[heads, length, row]`, or 0.
 * @param scratch - `[dim + 32, row]`.
 */
export function attendBackward(
  batch: i32,
  length: i32,
  heads: i32,
  dim: i32,
  row: i32,
  query: usize,
  key: usize,
  value: usize,
  dOutput: usize,
  runs: usize,
  runHeads: i32,
  probabilities: usize,
  dQuery: usize,
  dKey: usize,
  dValue: usize,
  dBias: usize,
  scratch: usize,
): void {
  const width = heads * dim
  const blocks = (length + blockRows - 1) / blockRows
  const runList = at(runs, runHeads * blocks + 1)
  const scale = <f32>(1 / Math.sqrt(<f64>dim))
  const dScores = at(scratch, dim * row)
  const bytes = (<usize>(batch * length * width)) << 2
  memory.fill(dQuery, 0, bytes)
  memory.fill(dKey, 0, bytes)
  memory.fill(dValue, 0, bytes)
  for (let plane = 0; plane < batch * heads; plane++) {
    const head = plane % heads
    const start = (plane / heads) * length * width + head * dim
    transpose(length, dim, at(value, start), width, scratch, row)
    for (let block = 0; block < blocks; block++) {
      const first = block * blockRows
      const rows = min(length - first, blockRows)
      const index = at(runs, (head % runHeads) * blocks + block)
      const firstRun = load<i32>(index)
      const lastRun = load<i32>(index, 4)
      const weights = at(probabilities, (plane * length + first) * row)
      const here = start + first * width
      const dOut = at(dOutput, here)
      for (let run = firstRun; run < lastRun; run++) {
        const from = load<i32>(at(runList, 2 * run))
        const to = load<i32>(at(runList, 2 * run + 1))
        const d = at(dScores, from)
        product(rows, to - from, dim, dOut, width, 1, at(scratch, from), row, d, row, 0)
      }
      for (let i = 0; i < rows; i++) {
        const dBiasRow = dBias ? at(dBias, (head * length + first + i) * row) : <usize>0
        const d = at(dScores, i * row)
        softmaxBackward(at(weights, i * row), d, dBiasRow, scale, runList, firstRun, lastRun)
      }
      for (let run = firstRun; run < lastRun; run++) {
        const from = load<i32>(at(runList, 2 * run))
        const count = min(load<i32>(at(runList, 2 * run + 1)), length) - from
        const there = start + from * width
        const d = at(dScores, from)
        product(rows, dim, count, d, row, 1, at(key, there), width, at(dQuery, here), width, 1)
        product(count, dim, rows, d, 1, row, at(query, here), width, at(dKey, there), width, 1)
        const w = at(weights, from)
        product(count, dim, rows, w, 1, row, dOut, width, at(dValue, there), width, 1)
      }
    }
  }
}

/** Gradients of probabilities become those of scores before they were scaled. */
function softmaxBackward(
  weights: usize,
  gradients: usize,
  dBias: usize,
  scale: f32,
  runList: usize,
  firstRun: i32,
  lastRun: i32,
): void {
  let dots = f32x4.splat(0)
  for (let run = firstRun; run < lastRun; run++) {
    const from = load<i32>(at(runList, 2 * run))
    const to = load<i32>(at(runList, 2 * run + 1))
    for (let key = from; key < to; key += 4) {
      const part = f32x4.mul(v128.load(at(weights, key)), v128.load(at(gradients, key)))
      dots = f32x4.add(dots, part)
    }
  }
  const dot = f32x4.splat(sumOf(dots))
  const scales = f32x4.splat(scale)
  for (let run = firstRun; run < lastRun; run++) {
    const from = load<i32>(at(runList, 2 * run))
    const to = load<i32>(at(runList, 2 * run + 1))
    for (let key = from; key < to; key += 4) {
      const place = at(gradients, key)
      const change = f32x4.sub(v128.load(place), dot)
      const gradient = f32x4.mul(v128.load(at(weights, key)), change)
      if (dBias) {
        v128.store(at(dBias, key), f32x4.add(v128.load(at(dBias, key)), gradient))
      }
      v128.store(place, f32x4.mul(gradient, scales))
    }
  }
}
