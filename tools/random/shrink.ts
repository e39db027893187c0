// Makes a failing problem smaller: one simplification after another is tried, and kept where the problem
// still fails, until none is.
import { smallerTrees } from './expression-trees.ts'
import { isBounded, partsOf } from './masks.ts'
import type { CallProblem, MaskData, Problem } from './problem.ts'

/** Simpler problems than this, the boldest first; some may fail for reasons of their own. */
export function simplerProblems(problem: Problem): Problem[] {
  if (problem.kind === 'misfit') return []
  return [
    ...leftOut(problem),
    ...simplerMasks(problem),
    ...simplerModifiers(problem),
    ...smallerShapes(problem),
    ...plainer(problem),
  ].filter((simpler) => simpler.mask === undefined || fits(simpler, simpler.mask))
}

/** Patterns of a length need each query to stand among the keys. */
function fits({ shape, keyLengths, queryOffset, sequences }: CallProblem, mask: MaskData): boolean {
  if (!isBounded(mask)) return true
  const moved = keyLengths ?? queryOffset ?? sequences
  return moved === undefined && shape.queryLength <= shape.keyLength
}

/** The problem without one of its options. */
function leftOut(problem: CallProblem): CallProblem[] {
  const names = [
    'mask',
    'sequences',
    'rope',
    'dropout',
    'sinks',
    'hidden',
    'visible',
    'queryOffset',
    'keyLengths',
    'tile',
    'decodeTile',
    'workBudget',
    'scale',
    'matrices',
    'integers',
    'cache',
    'weights',
  ] as const
  return names
    .filter((name) => problem[name] !== undefined)
    .filter((name) => !(name === 'keyLengths' && problem.lengths === 'call'))
    .map((name) => {
      const { [name]: _, ...rest } = problem
      // Lists by sequence do not outlive the sequences.
      if (name !== 'sequences') return rest
      const { keyLengths: __, queryOffset: ___, ...alone }: CallProblem = rest
      return alone
    })
}

function simplerMasks(problem: CallProblem): CallProblem[] {
  const { mask } = problem
  if (!mask) return []
  const causal: MaskData = { pattern: 'causal', numbers: [] }
  const simpler: MaskData[] = [
    ...('pattern' in mask && mask.pattern === 'causal' ? [] : [causal]),
    ...partsOf(mask),
    ...('tree' in mask ? smallerTrees(mask.tree).map((tree) => ({ tree })) : []),
  ]
  return simpler.map((each) => ({ ...problem, mask: each }))
}

function simplerModifiers(problem: CallProblem): CallProblem[] {
  return problem.modifiers.map((_, index) => ({
    ...problem,
    modifiers: problem.modifiers.toSpliced(index, 1),
  }))
}

type Size = 'batch' | 'heads' | 'kvHeads' | 'queryLength' | 'keyLength' | 'headDim' | 'valueDim'

function smallerShapes(problem: CallProblem): CallProblem[] {
  const { shape, sequences, rope } = problem
  const changes: Partial<Record<Size, number>>[] = []
  const smaller = (name: Size): number[] => {
    const size = shape[name]
    const sizes = [1, Math.ceil(size / 2), Math.ceil(size * 0.8), size - 1]
    return [...new Set(sizes)].filter((next) => next >= 1 && next < size)
  }
  for (const batch of smaller('batch')) changes.push({ batch })
  for (const heads of [1, shape.kvHeads, shape.heads - shape.kvHeads]) {
    if (heads >= 1 && heads < shape.heads) {
      const kvHeads = heads % shape.kvHeads === 0 ? shape.kvHeads : 1
      changes.push({ heads, kvHeads })
    }
  }
  if (shape.kvHeads > 1) changes.push({ kvHeads: 1 })
  if (!sequences) {
    for (const length of smaller('queryLength')) {
      changes.push({ queryLength: length, keyLength: Math.min(length, shape.keyLength) })
      changes.push({ queryLength: length })
    }
    for (const keyLength of smaller('keyLength')) changes.push({ keyLength })
  }
  if (!rope) {
    for (const headDim of smaller('headDim')) {
      changes.push({ headDim, valueDim: headDim }, { headDim })
    }
  }
  for (const valueDim of smaller('valueDim')) changes.push({ valueDim })
  return changes.map((change) => withShape(problem, change))
}

function withShape(problem: CallProblem, change: Partial<Record<Size, number>>): CallProblem {
  const shape = { ...problem.shape, ...change }
  const { keyLengths, queryOffset, sinks, sequences } = problem
  const count = sequences ? sequences.cumulativeQueryLengths.length - 1 : shape.batch
  return {
    ...problem,
    shape,
    ...(keyLengths && {
      keyLengths: keyLengths
        .slice(0, count)
        .map((length) => (sequences ? length : Math.min(length, shape.keyLength))),
    }),
    ...(typeof queryOffset === 'object' && { queryOffset: queryOffset.slice(0, count) }),
    ...(sinks && { sinks: sinks.slice(0, shape.heads) }),
  }
}

/** The same call with its tensors side by side, in float32, without gradients, of small numbers. */
function plainer(problem: CallProblem): CallProblem[] {
  const dense = { query: 'dense', key: 'dense', value: 'dense', output: 'dense' } as const
  const { layouts, keyLengths, queryOffset, rope } = problem
  return [
    ...(problem.training ? [{ ...problem, training: false }] : []),
    ...(Object.values(layouts).some((layout) => layout !== 'dense')
      ? [{ ...problem, layouts: dense }]
      : []),
    ...(problem.dtype === 'float16' ? [{ ...problem, dtype: 'float32' as const }] : []),
    ...(problem.amplitude === 1 ? [] : [{ ...problem, amplitude: 1 }]),
    ...(typeof queryOffset === 'object' && new Set(queryOffset).size > 1
      ? [{ ...problem, queryOffset: queryOffset.map(() => queryOffset[0]!) }]
      : []),
    ...(keyLengths && new Set(keyLengths).size > 1
      ? [{ ...problem, keyLengths: keyLengths.map(() => Math.min(...keyLengths)) }]
      : []),
    ...(rope && rope.attentionFactor !== 1
      ? [{ ...problem, rope: { ...rope, attentionFactor: 1 } }]
      : []),
  ]
}

/**
 * The smallest problem found that still fails.
 *
 * @param fails - Whether a problem fails; errors of a problem that makes no sense count as not.
 * @param mostTries - Problems to try. Default: 80.
 */
export async function shrink(
  problem: Problem,
  fails: (simpler: Problem) => Promise<boolean>,
  mostTries = 80,
): Promise<Problem> {
  let smallest = problem
  let tries = 0
  for (let improved = true; improved;) {
    improved = false
    for (const simpler of simplerProblems(smallest)) {
      if (++tries > mostTries) return smallest
      if (await fails(simpler)) {
        smallest = simpler
        improved = true
        break
      }
    }
  }
  return smallest
}
