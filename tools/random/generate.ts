// Draws problems. What decides a kernel's text is drawn for a few problems at a time, a theme, since
// compiling is what takes the time on software adapters; everything else is drawn for each.
import type { AttentionShape } from '../../packages/core/src/index.ts'
import { chooser, mixSeeds } from './chooser.ts'
import type { Chooser } from './chooser.ts'
import { draws } from './draws.ts'
import type { Draw, Kind, Wishes } from './draws.ts'
import { buildMask, drawMask, isBounded } from './masks.ts'
import { misfitNames } from './misfits.ts'
import { drawModifier, hidesRows } from './modifiers.ts'
import { rowCount } from './problem.ts'
import type { CallProblem, Layout, Problem, RopeData } from './problem.ts'

/** Problems that share a theme, unless told otherwise. */
const usualThemeLength = 20

interface Theme extends Pick<
  CallProblem,
  | 'dtype'
  | 'training'
  | 'layouts'
  | 'modifiers'
  | 'mask'
  | 'rope'
  | 'tile'
  | 'lengths'
  | 'matrices'
  | 'integers'
  | 'cache'
> {
  readonly kind: Kind
  readonly headDim: number
  readonly valueDim: number
  readonly bounded: boolean
  /** Of the lengths of bounded masks, which may be in the kernel's text: there are three. */
  readonly lengthSeed: number
  readonly drops: boolean
  readonly sinks: boolean
}

const usualKinds: readonly Kind[] = [
  'any lengths',
  'any lengths',
  'any lengths',
  'few queries',
  'few queries',
  'lengths by call',
  'packed',
]
const usualWidths = [1, 4, 5, 8, 16, 16, 16, 20, 24, 32, 32, 64, 64, 64, 80, 96, 128]
const layouts: readonly Layout[] = ['dense', 'tokens outside', 'dims outside', 'offset', 'sliced']

/**
 * Problem number `index` of a run: always the same for a seed and a draw.
 *
 * @param themeLength - Problems that share a theme: more of them compile less. Default: 20.
 * @param draw - Which problems; see draws.ts. Default: calls.
 */
export function drawProblem(
  seed: number,
  index: number,
  themeLength = usualThemeLength,
  draw: Draw = 'calls',
): Problem {
  const wishes = draws[draw]
  // Each draw has choosers of its own, so that a new one changes no problem of the others.
  const ownSeed = wishes.salt === undefined ? seed : mixSeeds(seed, wishes.salt)
  const theme = drawTheme(chooser(mixSeeds(ownSeed, -1 - Math.floor(index / themeLength))), wishes)
  const choose = chooser(mixSeeds(ownSeed, index))
  const own = choose.integer(1, 2 ** 30)
  const misfit = choose.chance(0.05)
  if (misfit && draw === 'calls') return drawMisfit(choose, own)
  const call = drawCall(choose, theme, own)
  return wishes.finish ? wishes.finish(call, choose) : call
}

function drawTheme(choose: Chooser, wishes: Wishes): Theme {
  const { kinds = usualKinds, widths = usualWidths, training = 0.4, dtypes } = wishes
  const kind = choose.of<Kind>(kinds)
  const lengths = kind === 'lengths by call' ? 'call' : 'plan'
  const headDim = choose.of(widths)
  const valueDim = choose.chance(0.75) ? headDim : choose.of(widths)
  const bounded = (kind === 'any lengths' || kind === 'few queries') && choose.chance(0.5)
  const packed = kind === 'packed'
  const dense = choose.chance(0.6)
  const layout = (): Layout => (dense ? 'dense' : choose.of(layouts))
  const mask = choose.sometimes(0.75, () => drawMask(choose, bounded))
  const rope = choose.sometimes(headDim >= 2 ? 0.15 : 0, () =>
    drawRope(choose, headDim, lengths === 'call'),
  )
  const tile = choose.sometimes(lengths === 'plan' ? 0.15 : 0, () => choose.integer(0, 7))
  return {
    kind,
    lengths,
    headDim,
    valueDim,
    bounded: mask !== undefined && isBounded(mask),
    lengthSeed: choose.integer(0, 2 ** 30),
    dtype: dtypes ? choose.of(dtypes) : choose.chance(0.5) ? 'float32' : 'float16',
    training: lengths === 'plan' && choose.chance(training),
    layouts: {
      query: layout(),
      key: layout(),
      value: layout(),
      // Halves are written in pairs where a device has no shader-f16.
      output: valueDim % 2 === 0 && !dense && choose.chance(0.3) ? 'tokens outside' : 'dense',
    },
    modifiers: Array.from({ length: choose.of([0, 0, 0, 1, 1, 2]) }, () =>
      drawModifier(choose, packed || lengths === 'call'),
    ),
    drops: choose.chance(0.12),
    sinks: choose.chance(0.15),
    ...(mask && { mask }),
    ...(rope && { rope }),
    ...(tile !== undefined && { tile }),
    ...wishes.theme?.(choose, { headDim, valueDim }),
  }
}

function drawRope(choose: Chooser, headDim: number, byCall: boolean): RopeData {
  return {
    layout: choose.of(['half', 'interleaved'] as const),
    rotaryDim: choose.chance(0.7) ? headDim - (headDim % 2) : 2 * choose.integer(1, headDim >> 1),
    attentionFactor: choose.of([1, 1, 1.25]),
    sides: byCall ? 'query' : choose.of(['both', 'both', 'query', 'key'] as const),
  }
}

function drawMisfit(choose: Chooser, seed: number): Problem {
  const kvHeads = choose.integer(1, 3)
  const shape = {
    batch: choose.integer(2, 3),
    heads: kvHeads * choose.integer(2, 3),
    kvHeads,
    queryLength: choose.integer(2, 9),
    keyLength: choose.integer(3, 12),
    headDim: 4,
    valueDim: 4,
  }
  return { kind: 'misfit', misfit: choose.of(misfitNames), shape, seed }
}

/** Most pairs of a query and a key, and most products of them with dims. */
const most = { float32: 40_000, float16: 25_000, bfloat16: 25_000, products: 2_500_000 }

function drawShape(choose: Chooser, theme: Theme): AttentionShape {
  const { kind, headDim, valueDim, bounded, dtype, lengthSeed } = theme
  const ofLengths = bounded ? chooser(mixSeeds(lengthSeed, choose.integer(0, 2))) : choose
  let batch = kind === 'packed' ? 1 : choose.of([1, 1, 2, 3])
  let kvHeads = choose.of([1, 1, 2, 3])
  let group = choose.of([1, 1, 2, 3, 4])
  const few = kind === 'few queries' || kind === 'lengths by call'
  let queryLength = few ? ofLengths.small(1, 16) : ofLengths.small(1, 300)
  let keyLength = few
    ? ofLengths.small(1, 2000)
    : ofLengths.chance(0.4)
      ? queryLength
      : ofLengths.small(1, 300)
  if (bounded) keyLength = Math.max(queryLength, keyLength)
  const tooMuch = (): boolean => {
    const pairs = batch * kvHeads * group * queryLength * keyLength
    return pairs > most[dtype] || pairs * (headDim + valueDim) > most.products
  }
  while (tooMuch()) {
    if (batch > 1) batch--
    else if (group > 2) group--
    else if (kvHeads > 1) kvHeads--
    else if (group > 1) group--
    else if (keyLength > 300 || keyLength > queryLength) keyLength = Math.ceil(keyLength * 0.7)
    else queryLength = Math.ceil(queryLength * 0.7)
    if (bounded) keyLength = Math.max(queryLength, keyLength)
  }
  const heads = kvHeads * group
  return { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim }
}

function drawCall(choose: Chooser, theme: Theme, seed: number): CallProblem {
  const { kind, headDim: _, valueDim: __, lengthSeed: ___, ...others } = theme
  const { bounded, drops, sinks, tile, mask, ...shared } = others
  const shape = drawShape(choose, theme)
  const { batch, heads, queryLength, keyLength } = shape
  const sequences = kind === 'packed' ? drawSequences(choose, queryLength, keyLength) : undefined
  const count = sequences ? sequences.cumulativeQueryLengths.length - 1 : batch
  const lengthOf = (sequence: number): number => {
    if (!sequences) return keyLength
    const ends = sequences.cumulativeKeyLengths ?? sequences.cumulativeQueryLengths
    return ends[sequence + 1]! - ends[sequence]!
  }
  const keyLengths = choose.sometimes(kind === 'lengths by call' ? 1 : 0.25, () =>
    Array.from({ length: count }, (_item, sequence) => choose.integer(0, lengthOf(sequence))),
  )
  const queryOffset = choose.sometimes(bounded ? 0 : 0.25, () =>
    choose.chance(0.5)
      ? choose.integer(-10, keyLength)
      : Array.from({ length: count }, () => choose.integer(-10, keyLength)),
  )
  const work = 2 * (shape.headDim + shape.valueDim) * rowCount(shape) * keyLength
  // Nor are such calls cut into passes by the orders that a mask proposes.
  const mayNotMerge = theme.modifiers.some(hidesRows)
  const ordered = mask && buildMask(mask, { ...shape, batch: count }, seed).orders?.length
  const spoiler = () => choose.of(['NaN', 'Infinity', '-Infinity'] as const)
  const visible = choose.sometimes(0.08, () => ({
    tensor: choose.of(['query', 'key', 'value'] as const),
    // A modifier that levels off has slope 0 at infinity, and 0 times infinity is what one makes it.
    spoiler: theme.training && theme.modifiers.length > 0 ? ('NaN' as const) : spoiler(),
    place: choose.fraction(),
  }))
  const hidden = choose.sometimes(0.3, spoiler)
  const workBudget = choose.sometimes(0.1, () => Math.ceil(work / choose.integer(2, 12)))
  const scale = choose.sometimes(0.2, () => choose.of([1, 0.05, -0.3]))
  const decodeTile = choose.sometimes(queryLength <= 16 ? 0.2 : 0, () => ({
    workgroups: choose.of([1, 5, 64]),
  }))
  return {
    kind: 'call',
    seed,
    shape,
    ...shared,
    ...(mask && !(mayNotMerge && ordered) && { mask }),
    amplitude: choose.of([1, 2, 2, 6]),
    ...(scale !== undefined && { scale }),
    // Padding moves the default offset, and with it the queries away from the keys.
    ...(keyLengths && !bounded && { keyLengths }),
    ...(queryOffset !== undefined && { queryOffset }),
    ...(sequences && { sequences }),
    ...(drops && { dropout: { rate: choose.of([0.1, 0.5]), seed: choose.integer(0, 2 ** 31) } }),
    ...(sinks && { sinks: Array.from({ length: heads }, () => 4 * choose.fraction() - 2) }),
    ...(tile !== undefined && { tile }),
    ...(decodeTile && { decodeTile }),
    ...(workBudget !== undefined && !mayNotMerge && { workBudget }),
    ...(hidden && { hidden }),
    ...(visible && { visible }),
  }
}

function drawSequences(
  choose: Chooser,
  queryLength: number,
  keyLength: number,
): NonNullable<CallProblem['sequences']> {
  const count = choose.integer(1, 5)
  const cut = (length: number): number[] => [
    0,
    ...Array.from({ length: count - 1 }, () => choose.integer(0, length)).toSorted((a, b) => a - b),
    length,
  ]
  const cumulativeQueryLengths = cut(queryLength)
  return queryLength === keyLength && choose.chance(0.7)
    ? { cumulativeQueryLengths }
    : { cumulativeQueryLengths, cumulativeKeyLengths: cut(keyLength) }
}
