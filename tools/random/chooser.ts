// Choices at random that a seed repeats, on every machine and without a package: splitmix32.

/** Draws one choice after another. */
export interface Chooser {
  /** In [0, 1). */
  fraction(): number
  /** A whole number, both ends included. */
  integer(least: number, most: number): number
  /** The same, small numbers as often as large ones: by logarithm. */
  small(least: number, most: number): number
  /** One of a list. */
  of<T>(list: readonly T[]): T
  chance(share: number): boolean
  /** What `make` makes, or undefined in the other cases. */
  sometimes<T>(share: number, make: () => T): T | undefined
}

/** Starts a row of choices. */
export function chooser(seed: number): Chooser {
  let state = seed >>> 0
  const fraction = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    mixed ^= mixed >>> 15
    return (mixed >>> 0) / 2 ** 32
  }
  const integer = (least: number, most: number): number =>
    least + Math.floor(fraction() * (most - least + 1))
  const chance = (share: number): boolean => fraction() < share
  return {
    fraction,
    integer,
    small: (least, most) => Math.min(most, Math.floor(least * ((most + 1) / least) ** fraction())),
    of: (list) => list[integer(0, list.length - 1)]!,
    chance,
    sometimes: (share, make) => (chance(share) ? make() : undefined),
  }
}

/** The seed of one problem among those of a run. */
export function mixSeeds(seed: number, index: number): number {
  return Math.floor(
    chooser((Math.imul(seed, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)) >>> 0).fraction() *
      2 ** 32,
  )
}
