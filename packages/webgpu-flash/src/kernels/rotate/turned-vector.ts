// One vector of a row turned by its position, whose elements' partners are read one by one: for pairs that
// do not lie in whole vectors, and where a row is not written as it is read.
import type { RotaryLayout } from '@attn/core'

/** What is turned. */
export interface TurnedVectorConfig {
  readonly rotaryDim: number
  readonly layout: RotaryLayout
}

/** The text. */
export interface TurnedVector {
  /** Statements that follow from `unit`, the vector, and `position` alone. */
  readonly before: string
  /** Statements that read the row at `inputBase`. */
  readonly loads: string
  readonly value: string
}

const lanes = ['x', 'y', 'z', 'w'] as const

/** WGSL of one vector. */
export function turnedVector({ layout, rotaryDim }: TurnedVectorConfig): TurnedVector {
  const own = 'let own = loadInput(inputBase, unit);'
  if (rotaryDim === 0) return { before: '', loads: own, value: 'own' }
  const half = rotaryDim / 2
  const both = (value: number): string => `vec4<u32>(${value}u)`
  const places =
    layout === 'half'
      ? `let leading = element < ${both(half)};
let pair = select(element - ${both(half)}, element, leading);
let partner = select(pair, element + ${both(half)}, leading);`
      : `let leading = (element & ${both(1)}) == ${both(0)};
let pair = element >> ${both(1)};
let partner = element ^ ${both(1)};`
  const gather = (part: number): string =>
    `vec4<u32>(${lanes.map((lane) => `frequencies[${part}u * frequencyVectors + (known.${lane} >> 2u)][known.${lane} & 3u]`).join(', ')})`
  const partners = lanes
    .map((lane) => `loadInput(inputBase, partner${lane} >> 2u)[partner${lane} & 3u]`)
    .join(', ')
  return {
    before: `let element = vec4<u32>(4u * unit) + vec4<u32>(0u, 1u, 2u, 3u);
let turns = element < ${both(rotaryDim)};
${places}
// Elements past the rotary dims are kept; whatever stands for their pair does not matter.
let known = min(pair, ${both(half - 1)});
let turn = turnOf(position, ${gather(0)}, ${gather(1)}, ${gather(2)});
let sine = select(turn.sine, -turn.sine, leading);
${lanes.map((lane) => `let partner${lane} = min(partner.${lane}, ${rotaryDim - 1}u);`).join('\n')}`,
    loads: `${own}
let other = vec4<f32>(${partners});`,
    value: 'select(own, own * turn.cosine + other * sine, turns)',
  }
}
