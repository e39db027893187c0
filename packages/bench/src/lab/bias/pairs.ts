// The pairs of positions that causal attention sees, in the order of heads, queries, keys.

/** Coordinates of pairs; all of one length. */
export interface Pairs {
  readonly head: Int32Array
  readonly query: Int32Array
  readonly key: Int32Array
}

/** Pairs of the queries `from .. to - 1` with the keys up to them, head by head. */
export function biasPairs(heads: number, from: number, to: number): Pairs {
  const perHead = (to * (to + 1) - from * (from + 1)) / 2
  const head = new Int32Array(heads * perHead)
  const query = new Int32Array(heads * perHead)
  const key = new Int32Array(heads * perHead)
  let pair = 0
  for (let h = 0; h < heads; h++) {
    for (let i = from; i < to; i++) {
      for (let j = 0; j <= i; j++, pair++) {
        head[pair] = h
        query[pair] = i
        key[pair] = j
      }
    }
  }
  return { head, query, key }
}
