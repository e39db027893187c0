// The two kernels on split float32 are one text in two roles, as those on float16 are: rows that are keys
// or rows that are queries. Which tensors play which part is said here, and what lanes do between products.
import type { Access } from '../../../codegen/access.ts'
import type { GradientRules } from '../../../codegen/gradient-rules.ts'
import { pairLanes, pairRows } from '../../../plan/backward/split-matrix-tile.ts'
import type {
  SplitMatrixMemory,
  SplitMatrixTile,
} from '../../../plan/backward/split-matrix-tile.ts'
import { rowStep } from '../../forward/matrix/lane-rows.ts'
import type { SplitTensor } from './powers.ts'
import type { PairGrid } from '../../tile/pair-gradient.ts'
import type { WalkConfig } from '../backward-frame.ts'
import type { PassConfig } from '../slots.ts'
import type { PairWork } from '../matrix/pairs.ts'

/** All that decides the text of either kernel. */
export interface SplitMatrixConfig extends WalkConfig, PassConfig {
  readonly rowTokens: PairGrid['rowTokens']
  readonly tile: SplitMatrixTile
  readonly memory: SplitMatrixMemory
  /** Of all tensors. */
  readonly headDim: number
  /** The gradients that the kernel writes: dV and dK, or dQ. */
  readonly outputs: readonly Access[]
  readonly rules: GradientRules
  readonly dropout: boolean
  readonly descriptorWords: number
  readonly parameterWords: number
}

/** What one of a pair of subgroups does: by its number, 0 or 1. */
export interface SplitRole {
  /** Its product is S, or dP, of own rows and visited ones. */
  readonly own: SplitTensor
  readonly visited: SplitTensor
  /** The gradient that it sums, all of its columns or half of them. */
  readonly sum: { readonly name: 'dQuery' | 'dKey' | 'dValue'; readonly access: Access }
  /** Text of what the sum is multiplied by in the end. */
  readonly factor: string
}

/** Who plays which part. */
export interface SplitRoles {
  readonly roles: readonly [SplitRole, SplitRole]
  /** Variables that hold the first and last row of either. */
  readonly ownRow: { readonly first: string; readonly last: string }
  readonly visitedRow: { readonly last: string }
  /** Text of the visited rows that a subgroup sums, at a place. */
  readonly sumSource: (place: string) => string
  /** Text of the weights that it sums them with. */
  readonly sumWeights: string
  /** Columns of the gradient that a subgroup sums. */
  readonly sumDims: number
}

/** Casts a kernel. */
export function castSplitRoles({ rowTokens, headDim, outputs }: SplitMatrixConfig): SplitRoles {
  const [first, second] = outputs as [Access, Access]
  const ofScores = (exponent: string): string =>
    `trueScale * (weightUnit / gradientScale) * powerOf(-exponents.${exponent})`
  if (rowTokens === 'queries') {
    const sum = { name: 'dQuery', access: first } as const
    const factor = ofScores('y')
    return {
      roles: [
        { own: 'query', visited: 'key', sum, factor },
        { own: 'dOutput', visited: 'value', sum, factor },
      ],
      ownRow: { first: 'firstQuery', last: 'lastQuery' },
      visitedRow: { last: 'lastKey' },
      sumSource: (place) => `visitedRows[${place}][0][partner]`,
      sumWeights: 'weights[pair][0]',
      sumDims: headDim / 2,
    }
  }
  return {
    roles: [
      {
        own: 'key',
        visited: 'query',
        sum: { name: 'dValue', access: first },
        factor: 'weightUnit * powerOf(-exponents.z)',
      },
      {
        own: 'value',
        visited: 'dOutput',
        sum: { name: 'dKey', access: second },
        factor: ofScores('x'),
      },
    ],
    ownRow: { first: 'firstKey', last: 'lastKey' },
    visitedRow: { last: 'lastQuery' },
    sumSource: (place) => `visitedRows[${place}][1u - partner][0]`,
    sumWeights: 'weights[pair][partner]',
    sumDims: headDim,
  }
}

/** A pair between two products, as a grid of its lanes. */
export function pairGrid({ tile, rowTokens }: SplitMatrixConfig): PairGrid {
  const lanes = pairLanes(tile)
  return {
    tileRows: pairRows(tile),
    tileColumns: tile.columns,
    threadRows: rowStep(lanes),
    threadColumns: lanes.lanesPerRow,
    rowTokens,
    lanes,
  }
}

/** What the lanes of a pair work on: P and dS leave them as halves. */
export function pairWork(config: SplitMatrixConfig): PairWork {
  const { tile, rowTokens, rules, dropout } = config
  const place = (i: number, vector: string): string => `[ownRow${i} * scoreStride + ${vector}]`
  const store = (kind: number, i: number, j: number, vector: string, from: string): string => {
    const to = `weights[pair][${kind}][ownRow${i} * weightStride + ${vector}`
    const high = `${from}High${i}_${j}`
    return `let ${high} = highPart(${from}${i}_${j});
${to}] = vec4<f16>(${high});
${to} + ${tile.columns / 4}u] = vec4<f16>(${from}${i}_${j} - ${high});`
  }
  return {
    rowTokens,
    rules,
    dropout,
    lanes: pairLanes(tile),
    grid: pairGrid(config),
    exact: true,
    gradientFactor: 'gradientUnit',
    score: (i, vector) => `scores[pair][0]${place(i, vector)}`,
    gradient: (i, vector) => `scores[pair][1]${place(i, vector)}`,
    store: (i, j, vector) =>
      rowTokens === 'queries'
        ? store(0, i, j, vector, 'gradient')
        : `${store(0, i, j, vector, 'score')}\n${store(1, i, j, vector, 'gradient')}`,
  }
}
