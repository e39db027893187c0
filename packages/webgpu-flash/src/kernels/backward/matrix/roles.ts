// The two kernels of the backward pass on subgroup matrices are one text in two roles: rows that are
// keys, whose dK and dV are summed over the visited queries, or rows that are queries, whose dQ is
// summed over the visited keys. What differs is which tensors play which part.
import type { Access } from '../../../codegen/access.ts'
import type { GradientRules } from '../../../codegen/gradient-rules.ts'
import type {
  GradientMatrixMemory,
  GradientMatrixTile,
} from '../../../plan/backward/gradient-matrix-tile.ts'
import { subgroupRows } from '../../../plan/backward/gradient-matrix-tile.ts'
import { rowStep } from '../../forward/matrix/lane-rows.ts'
import type { PairGrid } from '../../tile/pair-gradient.ts'
import type { WalkConfig } from '../backward-frame.ts'
import type { PassConfig } from '../slots.ts'
import type { PairWork } from './pairs.ts'

/** All that decides the text of either kernel. */
export interface GradientMatrixConfig extends WalkConfig, PassConfig {
  readonly rowTokens: PairGrid['rowTokens']
  readonly tile: GradientMatrixTile
  readonly memory: GradientMatrixMemory
  readonly headDim: number
  readonly valueDim: number
  readonly query: Access
  readonly key: Access
  readonly value: Access
  readonly dOutput: Access
  /** The gradients that the kernel writes: dV and dK, or dQ. */
  readonly outputs: readonly Access[]
  readonly rules: GradientRules
  readonly dropout: boolean
  readonly descriptorWords: number
  readonly parameterWords: number
}

/** A tensor in its part. */
export interface Operand {
  readonly name: 'query' | 'key' | 'value' | 'dOutput'
  readonly access: Access
  readonly dims: number
  /** Vectors between its visited rows in workgroup memory, and of a tile of them. */
  readonly stride: number
  readonly vectors: number
  /** Text of one of the two places of its visited rows. */
  readonly rows: (place: string) => string
}

/** A gradient: the sum of the rows of `source` weighted by P or dS. */
export interface GradientSum {
  readonly name: 'dQuery' | 'dKey' | 'dValue'
  readonly access: Access
  readonly dims: number
  readonly source: Operand
  /** First vector of its weights in a row of weights. */
  readonly weights: number
  /** Text of what it is multiplied by in the end. */
  readonly factor: string
}

/** Who plays which part. */
export interface Roles {
  /** Rows whose products with `visited` are S and dP. */
  readonly own: readonly [Operand, Operand]
  readonly visited: readonly [Operand, Operand]
  readonly sums: readonly GradientSum[]
  /** Variables that hold the first and last row of either. */
  readonly ownRow: { readonly first: string; readonly last: string }
  readonly visitedRow: { readonly first: string; readonly last: string }
}

const keyRows = { first: 'firstKey', last: 'lastKey' }
const queryRows = { first: 'firstQuery', last: 'lastQuery' }

/** Places of visited rows: two tiles of two tensors. */
export const visitedPlaces = 4

/**
 * Whether a subgroup's own rows are brought to matrices by way of the memory of visited rows, all dims at once: where all of
 * that is one array, with a place for each subgroup.
 */
export const ownInVisited = ({ tile, memory }: GradientMatrixConfig): boolean =>
  tile.subgroups <= visitedPlaces &&
  subgroupRows(tile) <= tile.columns &&
  memory.headStride === memory.valueStride

/** Casts a kernel. */
export function castRoles(config: GradientMatrixConfig): Roles {
  const { rowTokens, tile, memory, headDim, valueDim, outputs } = config
  const operand = (name: Operand['name'], ofHead: boolean): Operand => ({
    name,
    access: config[name],
    dims: ofHead ? headDim : valueDim,
    stride: ofHead ? memory.headStride : memory.valueStride,
    vectors: ofHead ? memory.headRows : memory.valueRows,
    rows: (place) => {
      if (!ownInVisited(config)) return `${name}Rows[${place}]`
      return `visitedRows[${ofHead ? '' : '2u + '}${place}]`
    },
  })
  const [query, key] = [operand('query', true), operand('key', true)]
  const [value, dOutput] = [operand('value', false), operand('dOutput', false)]
  const [first, second] = outputs as [Access, Access]
  // P is kept 2^8 times as large, and dS as many times more as the rows say; see scaling.ts.
  const ofScores = 'scale * (weightUnit / gradientScale)'
  if (rowTokens === 'queries') {
    return {
      own: [query, dOutput],
      visited: [key, value],
      sums: [
        {
          name: 'dQuery',
          access: first,
          dims: headDim,
          source: key,
          weights: 0,
          factor: ofScores,
        },
      ],
      ownRow: queryRows,
      visitedRow: keyRows,
    }
  }
  return {
    own: [key, value],
    visited: [query, dOutput],
    sums: [
      {
        name: 'dValue',
        access: first,
        dims: valueDim,
        source: dOutput,
        weights: 0,
        factor: 'weightUnit',
      },
      {
        name: 'dKey',
        access: second,
        dims: headDim,
        source: query,
        weights: tile.columns / 4,
        factor: ofScores,
      },
    ],
    ownRow: keyRows,
    visitedRow: queryRows,
  }
}

/** A subgroup between two products, as a grid of its lanes. */
export function laneGrid({ tile, rowTokens }: GradientMatrixConfig): PairGrid {
  return {
    tileRows: subgroupRows(tile),
    tileColumns: tile.columns,
    threadRows: rowStep(tile),
    threadColumns: tile.lanesPerRow,
    rowTokens,
    lanes: tile,
  }
}

/** What the lanes of a subgroup work on. */
export function lanesWork(config: GradientMatrixConfig): PairWork {
  const { tile, rowTokens, rules, dropout } = config
  const { sums } = castRoles(config)
  const place = (i: number, vector: string): string =>
    `[subgroup][ownRow${i} * scoreStride + ${vector}]`
  return {
    rowTokens,
    rules,
    dropout,
    lanes: tile,
    grid: laneGrid(config),
    exact: false,
    gradientFactor: 'gradientScale',
    score: (i, vector) => `scores${place(i, vector)}`,
    gradient: (i, vector) => `gradients${place(i, vector)}`,
    store: (i, j, vector) => {
      const to = `[subgroup][ownRow${i} * weightStride + ${vector}`
      const weights = sums.map(({ name, weights: first }) => {
        const from = name === 'dValue' ? 'score' : 'gradient'
        return `weights${to}${first === 0 ? '' : ` + ${first}u`}] = vec4<f16>(${from}${i}_${j});`
      })
      return weights.join('\n')
    },
  }
}
