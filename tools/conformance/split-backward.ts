// The backward cases once more on the kernels that split float32 (webgpu-flash, kernels/backward/split):
// calls as small as these are not split by themselves, and heads are made as wide as matrices need.
import { isSoftware } from '../../packages/webgpu-flash/src/index.ts'
import type { FlashAttention } from '../../packages/webgpu-flash/src/index.ts'
import { chooseSplitMatrixTile } from '../../packages/webgpu-flash/src/plan/backward/split-matrix-tile.ts'
import {
  backwardCases,
  dropoutCases,
  sinkCases,
} from '../../packages/core/test/conformance/backward-cases.ts'
import { backwardProblems } from '../../packages/core/test/conformance/backward-problems.ts'
import { conformanceCase } from '../../packages/core/test/conformance/cases.ts'
import type { ConformanceCase } from '../../packages/core/test/conformance/cases.ts'
import { differentiateTables, toFloat64Array } from '../../packages/core/src/index.ts'

/** Whether gradients of tables are summed, which is done in plain WGSL alone. */
const trainsTables = ({ scoreModifiers = [] }: ConformanceCase['options']): boolean =>
  scoreModifiers.some(({ expression }) => differentiateTables(expression).length > 0)

/** The cases that can be split, with heads of `headDim`. */
function splitCases(headDim: number): ConformanceCase[] {
  return [...backwardCases(), ...dropoutCases(), ...sinkCases()]
    .filter(
      ({ shape, options }) =>
        Math.min(shape.queryLength, shape.keyLength) >= 16 && !trainsTables(options),
    )
    .map(({ name, shape, options }) =>
      conformanceCase(`${name}, split`, { ...shape, headDim, valueDim: headDim }, options),
    )
}

/**
 * A trial for each; none where a device has no matrices, or compiles them for minutes as software does: there
 * test-gpu/backward-matrices.test.ts runs a few.
 */
export function splitTrials(flash: FlashAttention) {
  const [matrix] = flash.capabilities.subgroupMatrices.filter(
    ({ operands, sums }) => operands === 'f16' && sums === 'f32',
  )
  if (!matrix || isSoftware(flash.capabilities)) return []
  const headDim = 2 * Math.max(matrix.columns, matrix.depth)
  return splitCases(headDim).map((each) => ({
    name: each.name,
    run: async () => backwardProblems(each, gradientsOf(flash, each)),
  }))
}

function gradientsOf(
  flash: FlashAttention,
  { shape }: ConformanceCase,
): Parameters<typeof backwardProblems>[1] {
  return async (query, key, value, dOutput, { parameters, ...options }) => {
    const planned = { ...shape, ...options, training: true }
    const tile = (gradients: 'query' | 'key') =>
      chooseSplitMatrixTile(gradients, shape, flash.capabilities)
    const [ofQuery, ofKey] = [tile('query'), tile('key')]
    if (!ofQuery || !ofKey) throw new Error('no tile of split float32 fits the device')
    const plan = flash.plan({ ...planned, backwardTiles: { query: ofQuery, key: ofKey } })
    const given = {
      query: flash.upload(query),
      key: flash.upload(key),
      value: flash.upload(value),
      ...(parameters ? { parameters } : {}),
    }
    const forward = plan.forward(given)
    const made = plan.backward({ ...given, ...forward, dOutput: flash.upload(dOutput) })
    const numbers = async (view: Parameters<FlashAttention['download']>[0]) =>
      toFloat64Array(await flash.download(view))
    const dTables = [...made.dTables].map(
      async ([table, view]) => [table, await numbers(view)] as const,
    )
    return {
      dQuery: await flash.download(made.dQuery),
      dKey: await flash.download(made.dKey),
      dValue: await flash.download(made.dValue),
      dTables: new Map(await Promise.all(dTables)),
      dSinks: made.dSinks && (await numbers(made.dSinks)),
    }
  }
}
