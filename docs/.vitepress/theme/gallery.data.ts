// Drawn when the site is built: every chart of the commands from stored measurements, and every picture of
// masks and positions.
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { axial, bigBird, causal, fixed, gridSvg, matrixSvg, profileSvg, strided } from '@attn/masks'
import {
  alibi,
  extrapolationExperiment,
  plotBias,
  plotExtrapolation,
  plotScoreBound,
  plotWavelengths,
  ropeFrequencies,
} from '@attn/positions'
import { standardAttention, tensor } from '@attn/core'
import { drawHierarchy } from '../../../packages/bench/src/hierarchy/figure.ts'
import { drawTraffic } from '../../../packages/bench/src/io/figure.ts'
import { countTrafficCurves } from '../../../packages/bench/src/io/traffic-report.ts'
import { drawExtrapolation } from '../../../packages/bench/src/lab/extrapolate/figure.ts'
import type { PatternReport } from '../../../packages/bench/src/lab/patterns/compare-patterns.ts'
import { drawPatterns } from '../../../packages/bench/src/lab/patterns/figure.ts'
import { drawPartition } from '../../../packages/bench/src/partition/figure.ts'
import { drawPeersChart } from '../../../packages/bench/src/report/peers-svg.ts'
import { drawPositions } from '../../../packages/bench/src/report/positions-plot.ts'
import { drawChart } from '../../../packages/bench/src/report/svg.ts'
import { drawLosses } from '../../../packages/bench/src/report/train-plot.ts'
import { drawSparse } from '../../../packages/bench/src/sparse/svg.ts'
import { laboratoryFiles, resultFiles } from '../results.ts'

/** A picture, and what makes it. */
export interface GalleryPicture {
  readonly code: string
  readonly svg: string
}

interface Gallery {
  readonly charts: readonly GalleryPicture[]
  readonly pictures: readonly GalleryPicture[]
}

declare const data: Gallery
export { data }

/** Charts by the schema of the file that they are drawn from. */
const charts: Readonly<
  Record<string, { readonly command: string; draw: (report: never) => string }>
> = {
  'attn-run/1': { command: 'attn run --svg', draw: drawChart },
  'attn-peers/1': { command: 'attn peers --svg', draw: drawPeersChart },
  'attn-sparse/1': { command: 'attn sparse --svg', draw: drawSparse },
  'attn-positions/1': { command: 'attn positions --svg', draw: drawPositions },
  'attn-train/1': { command: 'attn train --svg', draw: drawLosses },
  'attn-partition/1': { command: 'attn partition --svg', draw: drawPartition },
  'attn-device/1': { command: 'attn device --svg', draw: drawHierarchy },
  'attn-extrapolate/1': { command: 'attn extrapolate --svg', draw: drawExtrapolation },
  'attn-patterns/1': {
    command: 'attn patterns --svg',
    draw: (report: PatternReport) => drawPatterns([report]),
  },
}

/** @public VitePress calls it. */
export default {
  watch: ['../../results/*.json'],
  load(): Gallery {
    const drawn = [...resultFiles(), ...laboratoryFiles].filter(existsSync).flatMap((file) => {
      const report = JSON.parse(readFileSync(file, 'utf8')) as { schema: string }
      const chart = charts[report.schema]
      return chart
        ? [{ code: `${chart.command}, ${basename(file)}`, svg: chart.draw(report as never) }]
        : []
    })
    const traffic = { code: 'attn io --svg', svg: drawTraffic(countTrafficCurves()) }
    return { charts: [...drawn, traffic], pictures: pictures() }
  },
}

function pictures(): GalleryPicture[] {
  const size = 320
  const experiment = extrapolationExperiment({ headDim: 64, trainedLength: 512 })
  const rope = (type: 'default' | 'linear' | 'ntk') =>
    ropeFrequencies({ headDim: 64, ...(type === 'default' ? { type } : { type, factor: 4 }) })
  return [
    { code: 'matrixSvg(causal(), 64)', svg: matrixSvg(causal(), 64, { size }) },
    {
      code: 'matrixSvg(strided(8).merged(), 64)',
      svg: matrixSvg(strided(8).merged(), 64, { size }),
    },
    {
      code: 'matrixSvg(fixed(8, { summary: 2 }).merged(), 64)',
      svg: matrixSvg(fixed(8, { summary: 2 }).merged(), 64, { size }),
    },
    {
      code: 'matrixSvg(bigBird({ length: 256, blockSize: 16 }), 256)',
      svg: matrixSvg(bigBird({ length: 256, blockSize: 16 }), 256, { size }),
    },
    {
      code: 'gridSvg(axial(16).merged(), { width: 16, height: 16 })',
      svg: gridSvg(axial(16).merged(), { width: 16, height: 16 }),
    },
    { code: 'profileSvg(probabilities)', svg: profile() },
    {
      code: 'plotBias(alibi({ heads: 8 }), { heads: 8, mask: causal() })',
      svg: plotBias(alibi({ heads: 8 }), { heads: 8, mask: causal() }),
    },
    {
      code: 'plotExtrapolation(experiment, experiment.run(1e-4))',
      svg: plotExtrapolation(experiment, experiment.run(1e-4)),
    },
    {
      code: 'plotScoreBound(inverseFrequencies, 64, 512)',
      svg: plotScoreBound(experiment.inverseFrequencies, 64, 512),
    },
    {
      code: 'plotWavelengths([{ label, rotary }, ..], 512)',
      svg: plotWavelengths(
        (['default', 'linear', 'ntk'] as const).map((type) => ({
          label: type,
          rotary: rope(type),
        })),
        512,
      ),
    },
  ]
}

/** Of attention that looks at its neighbours. */
function profile(): string {
  const length = 48
  const rows = Float32Array.from({ length: length * 4 }, (_, index) => {
    const angle = Math.floor(index / 4) / 6
    return (
      3 * [Math.cos(angle), Math.sin(angle), Math.cos(angle / 3), Math.sin(angle / 3)][index % 4]!
    )
  })
  const points = tensor(rows, [1, 1, length, 4])
  const { probabilities } = standardAttention(points, points, points, { mask: causal() })
  return profileSvg(probabilities)
}
