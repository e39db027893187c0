// What `attn run` computes: self-attention of one shape over several lengths, three ways.
import { rangeError, shapeError, typeError } from '@attn/core'
import type { DType, Mask } from '@attn/core'
import { causal, slidingWindow } from '@attn/masks'
import type { DeviceKind } from '../device/find-device.ts'

/** The ways that are timed side by side. */
export type Method = 'standard' | 'flash' | 'windowFlash'

/** All ways, in the order of columns. */
export const methods: readonly Method[] = ['standard', 'flash', 'windowFlash']

/** Sizes and masks; lengths are those of queries and keys alike. */
export interface Problem {
  readonly batch: number
  readonly heads: number
  readonly headDim: number
  readonly dtype: DType
  readonly lengths: readonly number[]
  /** Whether the dense methods are causal; the window always is. */
  readonly causal: boolean
  /** Keys that each query of the window sees, itself and those just before it. */
  readonly window: number
}

/** What suits a device of this kind, so that a run takes a minute at most. */
export function defaultProblem(kind: DeviceKind): Problem {
  const shared = { batch: 1, headDim: 64, dtype: 'float32', causal: false } as const
  if (kind === 'gpu') {
    const lengths = [1024, 2048, 4096, 8192, 16384, 32768, 65536]
    return { ...shared, heads: 16, lengths, window: 512 }
  }
  const heads = 2
  return kind === 'software'
    ? { ...shared, heads, lengths: [256, 512, 1024], window: 128 }
    : { ...shared, heads, lengths: [128, 256, 512], window: 64 }
}

/**
 * Checks a problem.
 *
 * @throws RangeError for sizes that are not positive integers, or a head dim that four does not
 *   divide or that exceeds 256; TypeError for another dtype.
 */
export function checkProblem(problem: Problem): void {
  checkSizes('attn run', problem, { window: problem.window })
}

/**
 * What problems of every command have to be.
 *
 * @param more - Other sizes to check with the rest.
 * @throws RangeError for sizes, TypeError for dtypes, each beginning with `caller`.
 */
export function checkSizes(
  caller: string,
  problem: Pick<Problem, 'batch' | 'heads' | 'headDim' | 'dtype' | 'lengths'>,
  more: Readonly<Record<string, number>> = {},
): void {
  const { batch, heads, headDim, dtype, lengths } = problem
  if (lengths.length === 0) throw rangeError(`${caller}: needs at least one length, got none`)
  const sizes = [
    ...Object.entries({ batch, heads, headDim, ...more }),
    ...lengths.map((length) => ['length', length] as const),
  ]
  for (const [name, size] of sizes) {
    if (!Number.isInteger(size) || size < 1) {
      throw rangeError(`${caller}: ${name} must be a positive integer, got ${size}`)
    }
  }
  if (headDim % 4 !== 0 || headDim > 256) {
    throw shapeError(
      `${caller}: headDim must be a multiple of four and at most 256, got ${headDim}`,
    )
  }
  if (dtype !== 'float32' && dtype !== 'float16') {
    throw typeError(`${caller}: dtype must be float32 or float16, got ${dtype}`, 'ATTN_DTYPE')
  }
}

/** The mask of a method; undefined where every query sees every key. */
export function maskOf(problem: Problem, method: Method): Mask | undefined {
  if (method === 'windowFlash') return slidingWindow(problem.window - 1)
  return problem.causal ? causal() : undefined
}

/** Pairs of a query and a key that it sees, in one head of one sequence. */
export function visiblePairs(problem: Problem, method: Method, length: number): number {
  if (method !== 'windowFlash' && !problem.causal) return length * length
  const most = method === 'windowFlash' ? Math.min(problem.window, length) : length
  return (most * (most + 1)) / 2 + (length - most) * most
}

/**
 * The multiplications and additions that the result takes: 4 D per visible pair. Others count all
 * L * L pairs for causal attention as well, or half of them.
 */
export function usefulOperations(problem: Problem, method: Method, length: number): number {
  const { batch, heads, headDim } = problem
  return 4 * batch * heads * headDim * visiblePairs(problem, method, length)
}
