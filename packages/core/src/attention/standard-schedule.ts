// Which matrices standard attention moves in each of its passes, as FlashAttention's IO analysis counts
// them (arXiv 2205.14135, algorithms 0 and 3): a pass reads each of its operands once and writes its
// result once, as a matrix product or a softmax does that leaves nothing on the chip for the next one.
// The algorithms tell their passes from this list, and `memoryTraffic` adds up the same one.
import type { AttentionShape } from './options.ts'
import type { TileEvent, TracedTensor } from './trace.ts'

/** One pass over the matrices of one head. */
export interface StandardPass {
  readonly loads: readonly TracedTensor[]
  readonly stores: readonly TracedTensor[]
  /** Operations of its matrix product for each pair of query and key; 0 where it has none. */
  readonly operations: (shape: AttentionShape) => number
}

type Passes<Name extends string> = Readonly<Record<Name, StandardPass>>

const ofKeys = ({ headDim }: AttentionShape): number => 2 * headDim
const ofValues = ({ valueDim }: AttentionShape): number => 2 * valueDim
const none = (): number => 0

/** S = Q K^T; P = softmax(S); O = P V. */
export const forwardPasses: Passes<'scores' | 'softmax' | 'output'> = {
  scores: { loads: ['query', 'key'], stores: ['scores'], operations: ofKeys },
  softmax: { loads: ['scores'], stores: ['probabilities', 'logSumExp'], operations: none },
  output: { loads: ['probabilities', 'value'], stores: ['output'], operations: ofValues },
}

/** dV = P^T dO; dP = dO V^T; dS = P (dP - sum of P dP); dQ = dS K; dK = dS^T Q. */
export const backwardPasses: Passes<'values' | 'weights' | 'softmax' | 'queries' | 'keys'> = {
  values: { loads: ['probabilities', 'dOutput'], stores: ['dValue'], operations: ofValues },
  weights: { loads: ['dOutput', 'value'], stores: ['dProbabilities'], operations: ofValues },
  softmax: {
    loads: ['probabilities', 'dProbabilities'],
    stores: ['dScores'],
    operations: none,
  },
  queries: { loads: ['dScores', 'key'], stores: ['dQuery'], operations: ofKeys },
  keys: { loads: ['dScores', 'query'], stores: ['dKey'], operations: ofKeys },
}

/** Elements of one head's part of a tensor. */
export function elementsOfHead(tensor: TracedTensor, shape: AttentionShape): number {
  const { queryLength, keyLength, headDim, valueDim } = shape
  switch (tensor) {
    case 'query':
    case 'dQuery':
      return queryLength * headDim
    case 'key':
    case 'dKey':
      return keyLength * headDim
    case 'value':
    case 'dValue':
      return keyLength * valueDim
    case 'output':
    case 'dOutput':
      return queryLength * valueDim
    case 'scores':
    case 'probabilities':
    case 'dProbabilities':
    case 'dScores':
      return queryLength * keyLength
    default:
      return queryLength
  }
}

/**
 * Tells what one pass of one head moves.
 *
 * @param first - Whether the head is the first of those that share its keys; the gradients of keys and
 *   values that the others add to are loaded as well.
 */
export function tellPass(
  { loads, stores }: StandardPass,
  shape: AttentionShape,
  batch: number,
  head: number,
  first: boolean,
  trace: (event: TileEvent) => void,
): void {
  const tell = (access: TileEvent['access'], tensor: TracedTensor): void =>
    trace({ access, tensor, batch, head, block: 0, elements: elementsOfHead(tensor, shape) })
  for (const tensor of loads) tell('load', tensor)
  for (const tensor of stores) {
    if (!first && (tensor === 'dKey' || tensor === 'dValue')) tell('load', tensor)
    tell('store', tensor)
  }
}
