// Calls in which something has another size than the call: masks, biases and tables indexed by batch,
// head, query or key. Each has to be refused with a RangeError, on the CPU and when a plan is made.
import {
  biasFromTensor,
  maskFromTensor,
  standardAttention,
  zeros,
} from '../../packages/core/src/index.ts'
import type { AttentionOptions, AttentionShape } from '../../packages/core/src/index.ts'
import { sameDocument, prefixLm } from '../../packages/masks/src/index.ts'
import { alibi, t5Bias } from '../../packages/positions/src/index.ts'
import type { FlashAttention } from '../../packages/webgpu-flash/src/index.ts'
import type { MisfitProblem } from './problem.ts'

type Sizes = [number, number, number, number]

const changed = (shape: AttentionShape, axis: number, by: number): Sizes => {
  const sizes: Sizes = [shape.batch, shape.heads, shape.queryLength, shape.keyLength]
  sizes[axis]! += by
  return sizes
}
const count = (sizes: Sizes): number => sizes.reduce((product, size) => product * size, 1)
const axes = ['batch', 'heads', 'queries', 'keys']

/** Options of a call that do not fit it, by what is wrong. */
const misfits: Readonly<Record<string, (shape: AttentionShape) => AttentionOptions>> = {
  ...Object.fromEntries(
    axes.flatMap((name, axis) =>
      [-1, 1].flatMap((by) => {
        const words = `${name} ${by < 0 ? 'too few' : 'too many'}`
        // A size of 1 repeats.
        const sizes = (shape: AttentionShape): Sizes => {
          const given = changed(shape, axis, by)
          return given[axis] === 1 ? changed(shape, axis, 1) : given
        }
        return [
          [
            `mask tensor, ${words}`,
            (shape: AttentionShape): AttentionOptions => ({
              mask: maskFromTensor(new Uint8Array(count(sizes(shape))).fill(1), sizes(shape)),
            }),
          ],
          [
            `bias tensor, ${words}`,
            (shape: AttentionShape): AttentionOptions => ({
              scoreModifiers: [biasFromTensor(new Float32Array(count(sizes(shape))), sizes(shape))],
            }),
          ],
        ]
      }),
    ),
  ),
  'alibi of other heads': ({ heads }) => ({
    scoreModifiers: [alibi({ heads: heads - 1, direction: 'symmetric' })],
  }),
  'T5 bias of other heads': ({ heads }) => ({
    scoreModifiers: [t5Bias({ heads: heads + 1, bidirectional: true })],
  }),
  'prefixes of other sequences': ({ batch }) => ({
    mask: prefixLm(Array.from({ length: batch + 1 }, () => 1)),
  }),
  'documents of other sequences': ({ batch, keyLength }) => ({
    mask: sameDocument({
      ids: Array.from({ length: batch - 1 === 1 ? batch + 1 : batch - 1 }, () =>
        Array.from({ length: keyLength }, () => 0),
      ),
    }),
  }),
}

/** What can be wrong. */
export const misfitNames: readonly string[] = Object.keys(misfits)

/** Sentences on who accepted what does not fit. */
export function misfitFindings(
  flash: FlashAttention | undefined,
  problem: MisfitProblem,
): string[] {
  const { shape, misfit } = problem
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, valueDim } = shape
  const options = misfits[misfit]!(shape)
  const refusal = (who: string, call: () => unknown): string[] => {
    try {
      call()
    } catch (error) {
      return error instanceof RangeError
        ? []
        : [`${who} refuses ${misfit} with ${String(error)}, not with a RangeError`]
    }
    const sizes = `[${batch}, ${heads}, ${queryLength}, ${keyLength}]`
    return [`${who} takes ${misfit} on a call of ${sizes}`]
  }
  return [
    ...refusal('standardAttention', () =>
      standardAttention(
        zeros([batch, heads, queryLength, headDim]),
        zeros([batch, kvHeads, keyLength, headDim]),
        zeros([batch, kvHeads, keyLength, valueDim]),
        options,
      ),
    ),
    ...(flash ? refusal('flash.plan', () => flash.plan({ ...shape, ...options }).destroy()) : []),
  ]
}
