// The kernels that split the tensors of a backward pass into float16 halves, before the gradients: they
// measure the rows, choose powers of two, and split.
import { choosePowersKernel, powerFields } from '../../kernels/backward/split/choose-powers.wgsl.ts'
import { measureRowsKernel, rangeFields } from '../../kernels/backward/split/measure-rows.wgsl.ts'
import { followsKeys, splitTensors } from '../../kernels/backward/split/powers.ts'
import type { SplitTensor } from '../../kernels/backward/split/powers.ts'
import {
  halvesOf,
  halvesFields,
  halveRowsKernel,
  lowStep,
  piecesOf,
} from '../../kernels/backward/split/halve-rows.wgsl.ts'
import { splitWeightBits } from '../../kernels/backward/split/gradient-split.wgsl.ts'
import { floatWord } from '../../kernels/parameters.ts'
import type { BackwardPlan } from '../../plan/backward/backward-plan.ts'
import { splitStorage } from '../../plan/backward/split-storage.ts'
import type { BackwardAccesses, BackwardKernel } from './backward-kernels.ts'

/** The ranges of a tensor's rows. */
export function rangeKernel(
  { call }: BackwardPlan,
  accesses: BackwardAccesses,
  name: SplitTensor,
): BackwardKernel {
  return {
    label: `attn backward ranges of ${name}`,
    names: [name, 'data', 'ranges'],
    bindings: [false, false, true],
    fields: rangeFields(name),
    expressions: false,
    code: measureRowsKernel(accesses[name], call.shape.headDim),
  }
}

/** The powers of two of every key head. */
export function powersKernel({ call }: BackwardPlan): BackwardKernel {
  return {
    label: 'attn backward powers',
    names: ['ranges', 'powers'],
    bindings: [false, true],
    fields: powerFields,
    expressions: false,
    code: choosePowersKernel(splitWeightBits(call.attention.dropout !== undefined)),
  }
}

/** The halves of a tensor. */
export function halvesKernel(
  { call }: BackwardPlan,
  accesses: BackwardAccesses,
  name: SplitTensor,
): BackwardKernel {
  return {
    label: `attn backward halves of ${name}`,
    names: [name, 'data', 'powers', halvesOf(name)],
    bindings: [false, false, false, true],
    fields: halvesFields(name),
    expressions: false,
    code: halveRowsKernel(accesses[name], call.shape.headDim),
  }
}

/** All of them, in the order they run in. */
export function splitKernels(plan: BackwardPlan, accesses: BackwardAccesses): BackwardKernel[] {
  return [
    ...splitTensors.map((name) => rangeKernel(plan, accesses, name)),
    powersKernel(plan),
    ...splitTensors.map((name) => halvesKernel(plan, accesses, name)),
  ]
}

/** Where ranges lie, and what may make dS larger than |dO| |V|. */
export function splitValues({ call, headroom }: BackwardPlan): Record<string, number> {
  const { ofTensor } = splitStorage(call.shape)
  const values: Record<string, number> = { headroom: floatWord(headroom ?? 1) }
  for (const name of splitTensors) {
    const { base, pieces, pieceRows } = ofTensor[name]
    values[`${name}Ranges`] = base
    values[`${name}Pieces`] = pieces
    values[`${name}PieceRows`] = pieceRows
    values[`${name}OfKeys`] = followsKeys(name) ? 1 : 0
    values[`${name}PieceVectors`] = lowStep(piecesOf(name), call.shape.headDim)
  }
  return values
}
