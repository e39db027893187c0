// The plan of a problem: its options as a plan takes them, and tiles where the problem asks for some.
import type { AttentionOptions } from '../../packages/core/src/index.ts'
import { forwardTiles } from '../../packages/webgpu-flash/src/plan/forward/tiled-kernel.ts'
import type {
  AttentionPlan,
  BackwardTiles,
  FlashAttention,
  PlanOptions,
  WantedIntegers,
} from '../../packages/webgpu-flash/src/index.ts'
import { matrixKinds } from '../../packages/webgpu-flash/test-gpu/small-matrix-tiles.ts'
import { embedding } from './expectation.ts'
import { buildMask } from './masks.ts'
import type { CallProblem } from './problem.ts'

function planOptions(
  flash: FlashAttention,
  problem: CallProblem,
  { keyLengths, queryOffset, ...options }: Omit<AttentionOptions, 'parameters'>,
): PlanOptions {
  const { shape, dtype, lengths, training, rope, tile, decodeTile, integers, workBudget } = problem
  const sides = rope && {
    ...(rope.sides !== 'key' && { query: embedding(rope) }),
    ...(rope.sides !== 'query' && { key: embedding(rope) }),
  }
  const tiles = tile === undefined ? [] : forwardTiles(shape, flash.capabilities)
  const forced = tiles[(tile ?? 0) % tiles.length]
  // What a ring lets queries see is its own affair.
  const { mask: seen, ...rules } = options
  const mask = problem.cache ? problem.mask && buildMask(problem.mask, shape, problem.seed) : seen
  return {
    ...shape,
    ...rules,
    ...(mask && { mask }),
    dtype,
    ...(lengths === 'call'
      ? { lengths }
      : {
          training,
          ...(keyLengths && { keyLengths }),
          ...(queryOffset !== undefined && { queryOffset }),
        }),
    ...(sides && { rope: sides }),
    ...(forced && { tile: forced }),
    ...(decodeTile && { decodeTile }),
    ...(integers && {
      decodeTile: { ...decodeTile, matrix: false, integers: integerTile(decodeTile) },
    }),
    ...(workBudget !== undefined && { workBudget }),
  }
}

/** As many workgroups as were asked for, by products of signed bytes. */
function integerTile({ workgroups }: NonNullable<CallProblem['decodeTile']> = {}): WantedIntegers {
  return workgroups === undefined ? {} : { workgroups }
}

/** Tile options that ask for subgroup matrices wherever a call may have them, the most demanding first. */
function matrixTiles(
  { capabilities }: FlashAttention,
  { dtype, training, shape, modifiers }: CallProblem,
): readonly Partial<PlanOptions>[] {
  const kind = matrixKinds.find((one) => one.dtype === dtype)
  const tile = kind?.smallTile(capabilities)
  // Half of them as for few tokens, by what problems that share kernels have in common.
  const isFew = (shape.headDim / 8 + modifiers.length) % 2 === 1
  const own = tile && ((isFew && kind?.fewTokens?.(tile)) || tile)
  const backward: readonly BackwardTiles[] =
    training && own ? [{ query: own, key: own }, { key: own }, { query: own }] : []
  const forward = { tile: 'subgroup-matrix' } as const
  const few = { decodeTile: { matrix: { subgroups: 2, keys: 16, rows: 8 } } } as const
  return [
    ...backward.map((backwardTiles) => ({ ...forward, backwardTiles })),
    ...(training ? [] : [few]),
    forward,
    ...backward.map((backwardTiles) => ({ backwardTiles })),
    {},
  ]
}

/** The plan of a problem. Of matrices the most that the library agrees to. */
export function planProblem(
  flash: FlashAttention,
  problem: CallProblem,
  options: Omit<AttentionOptions, 'parameters'>,
): AttentionPlan {
  const asked = planOptions(flash, problem, options)
  if (!problem.matrices) return flash.plan(asked)
  const refusals: unknown[] = []
  for (const tiles of matrixTiles(flash, problem)) {
    try {
      return flash.plan({ ...asked, ...tiles })
    } catch (error) {
      refusals.push(error)
    }
  }
  throw refusals.at(-1)
}
