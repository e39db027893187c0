// FIRE: a small network of the distance *relative to the query's position*, so that a longer
// sequence does not leave the range training saw (Li et al., arXiv 2310.04418). The network is
// unrolled into the expression: with 32 hidden units that is about 100 operations a pair.
import { checkOptions, float, floatTable, rangeError, scoreModifier } from '@attn/core'
import type { FloatExpression, FloatTable, OptionNames, ScoreModifier, Table } from '@attn/core'
import { checkPositive, checkPositiveInteger } from './check-size.ts'

/** Weights of FIRE's network, as PyTorch lays them out. Typed arrays are kept and may be trained. */
export interface FireWeights {
  /** `[width]`: `mlp[0].weight`. */
  readonly inputWeights: ArrayLike<number>
  /** `[width]`: `mlp[0].bias`. */
  readonly inputBiases: ArrayLike<number>
  /** Row-major `[heads, width]`: `mlp[2].weight`. */
  readonly outputWeights: ArrayLike<number>
  /** `[heads]`: `mlp[2].bias`. */
  readonly outputBiases: ArrayLike<number>
}

/** Options of {@link fire}. */
export interface FireOptions extends FireWeights {
  /** H: number of query heads. */
  readonly heads: number
  /** c in psi(x) = log(|c x| + 1): how much near distances are stretched. Default: 0.1. */
  readonly stretch?: number | undefined
  /** L: queries before this position are normalized as if they stood there. Default: 512. */
  readonly threshold?: number | undefined
}

/** FIRE's bias: a score modifier that knows its trainable tables. */
export interface Fire extends ScoreModifier {
  /** The network's four weights, c and L; the backward pass returns their gradients. */
  readonly tables: {
    readonly inputWeights: Table
    readonly inputBiases: Table
    readonly outputWeights: Table
    readonly outputBiases: Table
    /** `[1]`. */
    readonly stretch: Table
    /** `[1]`. */
    readonly threshold: Table
  }
}

/** Keeps the division finite where c is 0, as in the published code. */
const epsilon = 1e-6
const widest = 256

const fireOptions: OptionNames<FireOptions> = {
  inputWeights: true,
  inputBiases: true,
  outputWeights: true,
  outputBiases: true,
  heads: true,
  stretch: true,
  threshold: true,
}

/**
 * FIRE: f(psi(|i - j|) / psi(max(i, L))) with psi(x) = log(|c x| + 1) and f a network with one
 * hidden layer of rectified units and one output a head.
 *
 * @throws RangeError when a size does not fit or the network is wider than 256.
 *
 * @example
 * ```ts
 * import { compile } from '@attn/core'
 * import { fire } from '@attn/positions'
 * const bias = fire({
 *   heads: 1, inputWeights: [1, -1], inputBiases: [0, 1], outputWeights: [-3, 2], outputBiases: [0],
 * })
 * compile(bias.expression)({ score: 0, head: 0, query: 9, key: 9 }) // => 2
 * ```
 */
export function fire(options: FireOptions): Fire {
  checkOptions('fire', options, fireOptions)
  const { heads, inputWeights, stretch = 0.1, threshold = 512 } = options
  const width = inputWeights.length
  checkPositiveInteger('fire', 'heads', heads)
  checkPositive('fire', 'threshold', threshold)
  if (width < 1 || width > widest) {
    throw rangeError(`fire: the network must have 1 to ${widest} hidden units, got ${width}`)
  }
  const first = trainable('fireInputWeights', inputWeights, [width])
  const firstBias = trainable('fireInputBiases', options.inputBiases, [width])
  const second = trainable('fireOutputWeights', options.outputWeights, [heads, width])
  const secondBias = trainable('fireOutputBiases', options.outputBiases, [heads])
  const c = trainable('fireStretch', Float32Array.of(stretch), [1])
  const l = trainable('fireThreshold', Float32Array.of(threshold), [1])

  const psi = (x: FloatExpression): FloatExpression => c.at(0).mul(x).abs().add(1).log()
  const modifier = scoreModifier('fire', (score, { head, query, key }) => {
    const distance = float(query.sub(key).abs())
    const normalizer = float(query).max(l.at(0).abs())
    const relative = psi(distance).div(psi(normalizer).add(epsilon))
    let output = secondBias.at(head)
    for (let unit = 0; unit < width; unit++) {
      const hidden = first.at(unit).mul(relative).add(firstBias.at(unit)).max(0)
      output = output.add(second.at(head, unit).mul(hidden))
    }
    return score.add(output)
  })
  return Object.freeze({
    ...modifier,
    tables: Object.freeze({
      inputWeights: first.table,
      inputBiases: firstBias.table,
      outputWeights: second.table,
      outputBiases: secondBias.table,
      stretch: c.table,
      threshold: l.table,
    }),
  })
}

function trainable(name: string, values: ArrayLike<number>, shape: number[]): FloatTable {
  return floatTable(name, values, shape, { trainable: true })
}
