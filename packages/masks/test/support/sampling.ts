// The documented draw, written a second time in exact big integers and plain sets.
const word = 0xffffffffn

function philoxWords(seed: bigint, counter: readonly bigint[]): bigint[] {
  let [a, b, c, d] = counter as [bigint, bigint, bigint, bigint]
  let key0 = seed
  let key1 = 0n
  for (let round = 0; round < 10; round++) {
    const left = 0xd2511f53n * a
    const right = 0xcd9e8d57n * c
    ;[a, b, c, d] = [(right >> 32n) ^ b ^ key0, right & word, (left >> 32n) ^ d ^ key1, left & word]
    key0 = (key0 + 0x9e3779b9n) & word
    key1 = (key1 + 0xbb67ae85n) & word
  }
  return [a, b, c, d]
}

/** `count` of the candidates (ascending), or all of them, as Floyd's algorithm draws them. */
export function sample(
  candidates: readonly number[],
  count: number,
  { seed, row, head }: { seed: number; row: number; head: number },
): Set<number> {
  const ranks = new Set<number>()
  const total = candidates.length
  for (let top = Math.max(total - count, 0), draw = 0; top < total; top++, draw++) {
    const counter = [Math.floor(draw / 4), row, head, 0].map(BigInt)
    const random = philoxWords(BigInt(seed), counter)[draw % 4]!
    const rank = Number((random * BigInt(top + 1)) >> 32n)
    ranks.add(ranks.has(rank) ? top : rank)
  }
  return new Set([...ranks].map((rank) => candidates[rank]!))
}

/** 0 .. count - 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
