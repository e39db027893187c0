// The frequencies that every rotary embedding starts from (RoFormer, arXiv 2104.09864).

/**
 * base^(-2j / d) for each pair j of d dimensions, in radians per position: from 1 turn in 2 pi
 * positions down to nearly none.
 */
export function baseFrequencies(base: number, rotaryDim: number): Float64Array<ArrayBuffer> {
  return Float64Array.from(
    { length: rotaryDim / 2 },
    (_, pair) => base ** ((-2 * pair) / rotaryDim),
  )
}
