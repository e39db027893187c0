// What `pnpm conformance` may be asked for.
import { parseArgs } from 'node:util'
import { draws, isDraw } from '../random/draws.ts'
import type { Draw } from '../random/draws.ts'
import type { SuiteResult } from './report.ts'
import { isSuite, suites } from './suites.ts'

/** Random problems and lives of caches are suites that are drawn. */
const drawn = ['random', 'cache'] as const
type SuiteName = keyof typeof suites | (typeof drawn)[number]

const limitKinds = {
  adapter: 'those of the adapter',
  defaults: 'the defaults of WebGPU',
} as const satisfies Readonly<Record<string, SuiteResult['limits']>>

/** A command line, read. */
export interface ConformanceOptions {
  readonly suites: readonly SuiteName[]
  readonly limits: readonly SuiteResult['limits'][]
  /** A second time without the checks of a browser. */
  readonly unchecked: boolean
  readonly withoutZeroing: boolean
  /** The file that the record goes to. */
  readonly json: string | undefined
  /** Of the cases of a suite, those whose number leaves `index` over `of`. */
  readonly part: { readonly index: number; readonly of: number }
  /** Of what is drawn: how many on each device, of which seed, from which number on. */
  readonly count: number
  readonly seed: number
  readonly first: number
  /** Which random problems; see tools/random/draws.ts. */
  readonly draw: Draw
  /** How many random problems share their kernels. */
  readonly theme: number
  /** After which no further random problem begins. */
  readonly seconds: number | undefined
}

/**
 * Reads a command line.
 *
 * @throws RangeError for a suite, limits, a draw, a part or a number that are none.
 */
export function readOptions(parameters: readonly string[]): ConformanceOptions {
  const { values } = parseArgs({
    args: [...parameters],
    options: {
      json: { type: 'string' },
      suites: { type: 'string', default: Object.keys(suites).join() },
      unchecked: { type: 'boolean', default: false },
      // Software adapters take seconds to compile what zeroes workgroup memory.
      'without-zeroing': { type: 'boolean', default: false },
      limits: { type: 'string', default: 'both' },
      part: { type: 'string', default: '1/1' },
      count: { type: 'string', default: '300' },
      seed: { type: 'string', default: '1' },
      first: { type: 'string', default: '0' },
      draw: { type: 'string', default: 'calls' },
      theme: { type: 'string', default: '20' },
      seconds: { type: 'string' },
    },
  })
  const whole = (name: 'count' | 'seed' | 'first' | 'theme' | 'seconds'): number => {
    const number = Number(values[name])
    if (Number.isInteger(number) && number >= 0) return number
    throw new RangeError(`conformance: --${name} must be a whole number, got ${values[name]}`)
  }
  return {
    suites: values.suites.split(',').map(suiteOf),
    limits: limitsOf(values.limits),
    unchecked: values.unchecked,
    withoutZeroing: values['without-zeroing'],
    json: values.json,
    part: partOf(values.part),
    count: whole('count'),
    seed: whole('seed'),
    first: whole('first'),
    draw: drawOf(values.draw),
    theme: whole('theme'),
    seconds: values.seconds === undefined ? undefined : whole('seconds'),
  }
}

function suiteOf(name: string): SuiteName {
  const found = isSuite(name) ? name : drawn.find((each) => each === name)
  if (found) return found
  const all = [...Object.keys(suites), ...drawn].join(', ')
  throw new RangeError(`conformance: suites are ${all}, got ${name}`)
}

function drawOf(name: string): Draw {
  if (isDraw(name)) return name
  throw new RangeError(
    `conformance: --draw must be one of ${Object.keys(draws).join(', ')}, got ${name}`,
  )
}

function limitsOf(name: string): readonly SuiteResult['limits'][] {
  if (name === 'both') return Object.values(limitKinds)
  if (name === 'adapter' || name === 'defaults') return [limitKinds[name]]
  throw new RangeError(`conformance: --limits must be adapter, defaults or both, got ${name}`)
}

function partOf(text: string): ConformanceOptions['part'] {
  const [number = 0, of = 0] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).slice(1).map(Number)
  if (number >= 1 && number <= of) return { index: number - 1, of }
  throw new RangeError(`conformance: --part must be 1/4, 2/4 and so on, got ${text}`)
}
