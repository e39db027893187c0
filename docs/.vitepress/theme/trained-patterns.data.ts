// Read when the site is built: what `attn patterns` found, drawn as the command draws it, and the pictures of what
// heads look at that it wrote.
import { readFileSync } from 'node:fs'
import type { PatternReport } from '../../../packages/bench/src/lab/patterns/compare-patterns.ts'
import { drawPatterns } from '../../../packages/bench/src/lab/patterns/figure.ts'
import { formatPatterns } from '../../../packages/bench/src/lab/patterns/summary.ts'

interface TrainedPatterns {
  /** Where and how they were made. */
  readonly setting: string
  /** SVG. */
  readonly figure: string
  readonly tables: string
  /** SVG, head by head. */
  readonly profiles: readonly {
    readonly layer: number
    readonly head: number
    readonly svg: string
  }[]
}

declare const data: TrainedPatterns
export { data }

const folder = new URL('../../results/lab/', import.meta.url)
const names = ['text-learned', 'text-rope', 'images-learned', 'images-rope'] as const

const reportOf = (name: string): PatternReport =>
  JSON.parse(readFileSync(new URL(`patterns-${name}.json`, folder), 'utf8')) as PatternReport

/** @public VitePress calls it. */
export default {
  watch: ['../../results/lab/patterns-*.json', '../../results/lab/profiles/*.svg'],
  load(): TrainedPatterns {
    const reports = names.map(reportOf)
    const [{ environment, device, plan }] = reports as [PatternReport]
    const { layers, width, heads, steps } = plan.configuration
    const profiled = reports.at(-1)!.profiles ?? []
    return {
      setting:
        `${device} on ${environment.processor ?? environment.platform}, ${environment.runtime}; ${layers} layers of ` +
        `width ${width}, ${heads} heads, ${steps} steps, seeds ${plan.seeds.join(', ')}`,
      figure: drawPatterns(reports),
      tables: reports.map(formatPatterns).join('\n\n'),
      profiles: profiled.flatMap(({ layer, profile }) =>
        profile.heads.map((_, head) => {
          const file = new URL(`profiles/layer${layer}-head${head}.svg`, folder)
          return { layer, head, svg: readFileSync(file, 'utf8') }
        }),
      ),
    }
  },
}
