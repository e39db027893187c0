// Claims of the lecture on sparse patterns that something has to be trained for: evidence from reports of
// `attn patterns`.
import type { HeadProfile } from '@attn/masks'
import { spreadOf } from '../../lab/extrapolate/report.ts'
import { modelsOf } from '../../lab/patterns/compare-patterns.ts'
import type { PatternReport } from '../../lab/patterns/compare-patterns.ts'
import { drawPatterns } from '../../lab/patterns/figure.ts'
import { positionMethodTitles } from '../../lab/positions/methods.ts'
import type { Evidence, LectureContext, Topic } from '../claim.ts'
import { notRun } from '../claim.ts'

const percent = (share: number): string => `${Math.round(100 * share)} %`

/** Pixels of a square image are as many as a square number; the book is read in powers of two. */
const isOfImages = ({ plan }: PatternReport): boolean => plan.configuration.length === 784

const named = ({ text, plan }: PatternReport): string =>
  `${text.name} with ${positionMethodTitles[plan.configuration.positions]} positions`

async function profiles({ reports }: LectureContext): Promise<Evidence> {
  const report = (await reports.all('attn-patterns/1')).findLast(
    (each) => isOfImages(each) && each.profiles,
  )
  if (!report?.profiles) {
    return notRun('needs a report of attn patterns --data images --profiles FOLDER')
  }
  const { layers, width, heads, steps } = report.plan.configuration
  const layersFound = report.profiles.map(({ layer, profile: { shares, dataDependent } }) => {
    const { local, row, column, globalKeys, elsewhere } = shares
    return (
      `layer ${layer}: local ${percent(local)}, row ${percent(row)}, column ${percent(column)}, ` +
      `global keys ${percent(globalKeys)}, elsewhere ${percent(elsewhere)}; ${percent(dataDependent)} differs between images`
    )
  })
  const all = report.profiles.flatMap(({ profile }) => profile.heads)
  const placed = (shares: HeadProfile['shares']): number =>
    shares.local + shares.row + shares.column
  const structured = all.filter(({ shares }) => placed(shares) >= 0.5)
  const above = all.filter(({ shares, chance }) => placed(shares) >= 2 * placed(chance))
  const free = all.filter(({ dataDependent }) => dataDependent >= 0.5)
  return {
    ran: `a dense decoder of ${layers} layers of width ${width} with ${heads} heads, trained ${steps} steps on ${named(report)}; weights on held-out images`,
    found: `${layersFound.join('. ')}. Half of the weight or more is near, in the row or in the column for ${structured.length} of ${all.length} heads, twice what chance gives for ${above.length}`,
    verdict:
      structured.length > 0 && free.length > 0
        ? 'holds'
        : above.length > 0
          ? 'holds within limits'
          : 'does not hold here',
    why: 'two layers on digits of 28 x 28, where the paper has 128 layers on CIFAR-10: which kinds of heads there are is comparable, not how many',
  }
}

async function suited({ reports }: LectureContext): Promise<Evidence> {
  const found = (await reports.all('attn-patterns/1')).flatMap((report) => {
    const mean = (mask: string): number | undefined => {
      const pattern = report.plan.patterns.find((each) => each.mask === mask)
      return pattern && spreadOf(modelsOf(report, pattern).map((model) => model.bitsPerToken)).mean
    }
    const [strided, fixed] = [mean('strided'), mean('fixed')]
    if (strided === undefined || fixed === undefined) return []
    const better = isOfImages(report) ? strided < fixed : fixed < strided
    return [{ report, strided, fixed, better }]
  })
  const [images, texts] = [true, false].map((kind) =>
    found.filter(({ report }) => isOfImages(report) === kind),
  ) as [typeof found, typeof found]
  if (images.length === 0 || texts.length === 0) {
    return notRun('needs reports of attn patterns on images and on text')
  }
  const held = found.filter(({ better }) => better).length
  return {
    ran: found
      .map(
        ({ report }) => `small decoders on ${named(report)}, ${report.plan.seeds.length} seed(s)`,
      )
      .join('; '),
    found: found
      .map(
        ({ report, strided, fixed }) =>
          `${named(report)}: strided ${strided.toFixed(3)}, fixed ${fixed.toFixed(3)} bits a token`,
      )
      .join('; '),
    verdict:
      held === found.length ? 'holds' : held > 0 ? 'holds within limits' : 'does not hold here',
    why: 'models of two layers on small data: the order, not the size, of the difference is comparable',
    figures: [
      {
        caption: 'Dense, strided and fixed attention in training and on held-out data',
        svg: drawPatterns(found.map(({ report }) => report)),
      },
    ],
  }
}

/** Claims 1 and 7. */
export const trainedPatterns: Topic['examinations'] = { 1: profiles, 7: suited }
