// The second part of the lecture, as far as nothing has to be trained: position methods and the analysis of
// RoPE.
import { causal } from '@attn/masks'
import {
  alibi,
  alibiSlopes,
  extrapolationExperiment,
  plotBias,
  plotExtrapolation,
  plotRotaryScores,
  scoreAtDistances,
} from '@attn/positions'
import { drawPositions } from '../../report/positions-plot.ts'
import { formatLength, threeDigits } from '../../report/format.ts'
import { positionMethods, positionNames } from '../../positions/problem.ts'
import type { Evidence, LectureContext, Topic } from '../claim.ts'

const percent = (part: number): string => `${part < 0 ? '' : '+'}${(100 * part).toFixed(1)} %`

async function speed({ reports }: LectureContext): Promise<Evidence> {
  const [report] = await reports.all('attn-positions/1')
  const { device, problem, results } = report!
  const { length, outcomes } = results.at(-1)!
  const measured = positionMethods.flatMap((method) => {
    const outcome = outcomes[method]
    return outcome && method !== 'none' ? [{ method, outcome }] : []
  })
  const slow = measured.filter(
    ({ method, outcome }) => (method === 'rope' || method === 't5') && outcome.overhead > 0.25,
  )
  return {
    ran: `causal attention with each method, length ${formatLength(length)}, ${problem.heads} heads of dim ${problem.headDim}, on ${device.name}`,
    found: measured
      .map(({ method, outcome: { overhead, training } }) => {
        const step = training ? `, with backward ${percent(training.overhead)}` : ''
        return `${positionNames[method]} ${percent(overhead)}${step}`
      })
      .join('; '),
    verdict: slow.length > 0 ? 'holds within limits' : 'does not hold here',
    why:
      slow.length > 0
        ? `${slow.map(({ method }) => positionNames[method]).join(' and ')} cost more than a quarter on this device`
        : 'inside one kernel a method costs a few operations a score; the paper timed methods in passes of their own',
    figures: [{ caption: 'What position methods add', svg: drawPositions(report!) }],
  }
}

async function slopes(): Promise<Evidence> {
  const found = alibiSlopes(8)
  const right = [...found].every((slope, head) => slope === 2 ** -(head + 1))
  return {
    ran: 'alibiSlopes(8), and the bias as it is added to the scores',
    found: [...found].map((slope) => `1/${1 / slope}`).join(', '),
    verdict: right ? 'holds' : 'does not hold here',
    why: "the slide's formula leaves out the scale of the scores, and is for causal attention",
    figures: [
      {
        caption: 'ALiBi of 8 heads',
        svg: plotBias(alibi({ heads: 8 }), { heads: 8, mask: causal() }),
      },
    ],
  }
}

/** The paper's experiment; a smaller one where time is short. */
function experimentOf({ full }: LectureContext): ReturnType<typeof extrapolationExperiment> {
  return extrapolationExperiment(full ? {} : { headDim: 64, trainedLength: 512 })
}

async function outside(context: LectureContext): Promise<Evidence> {
  const experiment = experimentOf(context)
  const { headDim, trainedLength } = experiment
  const ridges = [1e-6, 1e-4, 1e-2, 1]
  const found = ridges.map((ridge) => ({ ridge, ...experiment.run(ridge) }))
  const growth = found.map((each) => each.outside / each.inside)
  return {
    ran: `waves of RoPE (d = ${headDim}) fitted to random scores over ${trainedLength} positions, looked at up to twice that`,
    found: found
      .map(
        ({ ridge, inside, outside: beyond }) =>
          `ridge ${ridge}: ${threeDigits(inside)} inside, ${threeDigits(beyond)} outside`,
      )
      .join('; '),
    verdict: growth[0]! > 10 ? 'holds within limits' : 'does not hold here',
    why: 'the fit is badly conditioned: how large the score becomes is decided by rounding, or by a ridge, which tames it',
    figures: [
      {
        caption: 'The fit inside, outside and between positions (ridge 1e-4)',
        svg: plotExtrapolation(experiment, experiment.run(1e-4)),
      },
    ],
  }
}

async function universal(context: LectureContext): Promise<Evidence> {
  const experiment = experimentOf(context)
  const { headDim, trainedLength, inverseFrequencies } = experiment
  const { waves, scores } = experiment.run(1e-9)
  const distances = Float64Array.from({ length: trainedLength }, (_, distance) => distance)
  const fitted = scoreAtDistances(waves, inverseFrequencies, distances)
  const mean = scores.reduce((sum, score) => sum + score, 0) / trainedLength
  let [left, all] = [0, 0]
  scores.forEach((score, distance) => {
    left += (score - fitted[distance]!) ** 2
    all += (score - mean) ** 2
  })
  const explained = 1 - left / all
  return {
    ran: `${headDim} waves of RoPE fitted to ${trainedLength} random scores by least squares`,
    found: `they explain ${(100 * explained).toFixed(1)} % of the variance`,
    verdict: explained > 0.5 ? 'holds' : 'does not hold here',
    why: 'a limit statement about all frequencies; RoPE has d / 2, most of them slower than the window',
  }
}

async function interpolated(context: LectureContext): Promise<Evidence> {
  const experiment = experimentOf(context)
  const { trainedLength, factor, inverseFrequencies } = experiment
  const result = experiment.run(1e-4)
  const ratio = result.interpolated / result.inside
  return {
    ran: `the same fit with positions divided by ${factor}, over ${factor * trainedLength} positions`,
    found: `largest score ${threeDigits(result.interpolated)}, where it is ${threeDigits(result.inside)} inside the window and ${threeDigits(result.outside)} without interpolation`,
    verdict: ratio < 1.25 ? 'holds' : 'does not hold here',
    figures: [
      {
        caption: 'Scores beyond the training length, direct and interpolated',
        svg: plotRotaryScores(
          [
            { label: 'direct', waves: result.waves, inverseFrequencies },
            {
              label: `positions divided by ${factor}`,
              waves: result.waves,
              inverseFrequencies: inverseFrequencies.map((frequency) => frequency / factor),
            },
          ],
          { length: factor * trainedLength, trainedLength },
        ),
      },
    ],
  }
}

/** Claims 12, 13 and 15 to 17. */
export const positionTopic: Topic = {
  name: 'positions',
  examinations: { 12: speed, 13: slopes, 15: outside, 16: universal, 17: interpolated },
}
