// What may be left out may be undefined, also where it runs: every option of these calls set to `undefined`
// gives what leaving it out gives.
import * as core from '../../packages/core/src/index.ts'
import * as masks from '../../packages/masks/src/index.ts'
import * as positions from '../../packages/positions/src/index.ts'
import { expect, test } from 'vitest'
import { defaultCapabilities } from '../../packages/webgpu-flash/src/device/capabilities.ts'
import { explainPlan } from '../../packages/webgpu-flash/src/plan/explain.ts'
import { planForward } from '../../packages/webgpu-flash/src/plan/plan.ts'
import { optionalProperties } from '../public-types.ts'

const properties = optionalProperties(
  ['core', 'masks', 'positions', 'webgpu-flash'].map((name) => `packages/${name}/src/index.ts`),
).map(({ name }) => name)

/** All that types leave open, undefined. */
function undefinedOf(...types: readonly string[]): Readonly<Record<string, undefined>> {
  const names = types.flatMap((type) => {
    const own = properties.flatMap(
      (name) => new RegExp(`: ${type}\\.(\\w+)$`).exec(name)?.[1] ?? [],
    )
    if (own.length === 0) throw new Error(`${type} has no optional property`)
    return own
  })
  return Object.fromEntries(names.map((name) => [name, undefined]))
}

const x = core.tensorFrom([1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 4, 2])
const sizes = { heads: 2, queryLength: 4, headDim: 8 }
const shape = { batch: 1, heads: 2, queryLength: 8, keyLength: 8 }
const whole = { ...shape, kvHeads: 2, headDim: 4, valueDim: 4 }
const rope = positions.ropeFrequencies({ headDim: 2 })
const causal = masks.causal()

/** Each with the types of its options, and without them where nothing is given. */
const calls: readonly (readonly [types: readonly string[], call: (options: object) => unknown])[] =
  [
    [['AttentionOptions'], (options) => core.standardAttention(x, x, x, options)],
    [
      ['AttentionOptions', 'TilingOptions', 'FlashAttentionOptions'],
      (options) => core.flashAttention(x, x, x, options),
    ],
    [
      ['MemoryTrafficOptions'],
      (options) =>
        core.memoryTraffic({ ...options, algorithm: 'flash', ...whole, onChipElements: 4096 }),
    ],
    [
      ['BlockMapShape'],
      (options) =>
        core.createBlockMap(
          causal,
          { ...shape, ...options },
          { queryBlockSize: 4, keyBlockSize: 4 },
        ),
    ],
    [['TensorLayout'], (options) => core.tensor(x.storage, [4, 2], options)],
    [['BigBirdOptions'], (options) => masks.bigBird({ length: 64, ...options })],
    [['LongformerOptions'], (options) => masks.longformer({ window: 2, ...options })],
    [['GlobalTokensOptions'], (options) => masks.globalTokens(2, options)],
    [['TreeOptions'], (options) => masks.tree([-1, 0, 0], options)],
    [['AlibiOptions'], (options) => positions.alibi({ heads: 2, ...options })],
    [
      ['T5BiasOptions'],
      (options) => positions.t5Bias({ heads: 2, bidirectional: true, ...options }),
    ],
    [
      ['SinusoidalOptions'],
      (options) => positions.sinusoidal({ dim: 4, positions: 3, ...options }),
    ],
    [['KerpleLogOptions'], (options) => positions.kerpleLog({ heads: 2, ...options })],
    [['RopeShape'], (options) => positions.ropeFrequencies({ headDim: 4, ...options })],
    [
      ['RotateOptions'],
      (options) => positions.rotate(x, rope, { ...options, output: undefined } as never),
    ],
    [['RotaryTableOptions'], (options) => positions.rotaryTables(rope, 3, options)],
    [
      ['ExtrapolationOptions'],
      (options) => positions.extrapolationExperiment({ ...options }).factor,
    ],
    [
      ['AttentionOptions', 'PlanOptions', 'CallOptions'],
      (options) =>
        explainPlan(
          planForward({ ...sizes, ...options }, defaultCapabilities),
          defaultCapabilities,
        ),
    ],
  ]

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

test.each(calls)('%j', (types, call) => {
  expect(plain(call(undefinedOf(...types)))).toEqual(plain(call({})))
})

test('settings over their defaults', () => {
  const defaults = { rows: 4, tile: 8 }
  expect(core.withDefaults(defaults, undefined, { rows: undefined, tile: 2 })).toEqual({
    rows: 4,
    tile: 2,
  })
  expect(defaults.tile).toBe(8)
})
