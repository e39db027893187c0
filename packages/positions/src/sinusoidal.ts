// Sinusoidal position embeddings, added to the token embeddings before the first layer (Vaswani et
// al., arXiv 1706.03762). They are defined at every position, but a model has never seen the sums
// beyond its training length, and perplexity explodes some 20 tokens past it (arXiv 2108.12409).
import { checkOptions, numbersOf, rangeError, tensorFrom } from '@attn/core'
import type { CpuDType, IntegerList, OptionNames, Tensor } from '@attn/core'
import { checkEven, checkPositive, checkPositiveInteger } from './check-size.ts'

/** Options of {@link sinusoidal}. */
export interface SinusoidalOptions {
  /** Width of the embedding; even. */
  readonly dim: number
  /** How many positions from 0 on, or the positions themselves. */
  readonly positions: number | IntegerList
  /**
   * - `interleaved` (default): sine in even elements, cosine in odd ones, as in the paper.
   * - `concatenated`: all sines, then all cosines, as in the paper's code (tensor2tensor).
   */
  readonly layout?: 'interleaved' | 'concatenated' | undefined
  /**
   * - `paper` (default): wavelengths 2 pi base^(2i / dim), which stop short of 2 pi base.
   * - `tensor2tensor`: exponent i / (dim / 2 - 1), so the slowest reaches it; also fairseq's (and
   *   so Marian's, M2M100's, XGLM's).
   */
  readonly spacing?: 'paper' | 'tensor2tensor' | undefined
  /** Default: 10000. */
  readonly base?: number | undefined
  /** Element type of the result. Default: float32. */
  readonly dtype?: CpuDType | undefined
}

const sinusoidalOptions: OptionNames<SinusoidalOptions> = {
  dim: true,
  positions: true,
  layout: true,
  spacing: true,
  base: true,
  dtype: true,
}

/**
 * The table of sinusoidal embeddings.
 *
 * @returns `[positions, dim]`, computed in float64.
 * @throws RangeError when an option is out of range.
 *
 * @example
 * ```ts
 * import { sinusoidal } from '@attn/positions'
 * const table = sinusoidal({ dim: 4, positions: 2, dtype: 'float64' })
 * table.shape // => [2, 4]
 * Array.from(table.storage, (x) => x.toFixed(4)) // => ['0.0000', '1.0000', '0.0000', '1.0000', '0.8415', '0.5403', '0.0100', '1.0000']
 * ```
 */
export function sinusoidal(options: SinusoidalOptions): Tensor {
  checkOptions('sinusoidal', options, sinusoidalOptions)
  const { dim, layout = 'interleaved', spacing = 'paper', base = 10000 } = options
  const positions =
    typeof options.positions === 'number' ? options.positions : numbersOf(options.positions)
  checkEven('sinusoidal', 'dim', dim)
  checkPositive('sinusoidal', 'base', base)
  checkOneOf('layout', layout, ['interleaved', 'concatenated'])
  checkOneOf('spacing', spacing, ['paper', 'tensor2tensor'])
  const length = typeof positions === 'number' ? positions : positions.length
  checkPositiveInteger('sinusoidal', 'the number of positions', length)

  const half = dim / 2
  const last = spacing === 'paper' ? half : Math.max(half - 1, 1)
  const values = new Float64Array(length * dim)
  for (let row = 0; row < length; row++) {
    const position = typeof positions === 'number' ? row : positions[row]!
    for (let i = 0; i < half; i++) {
      const angle = position * base ** (-i / last)
      const [sine, cosine] = layout === 'interleaved' ? [2 * i, 2 * i + 1] : [i, half + i]
      values[row * dim + sine] = Math.sin(angle)
      values[row * dim + cosine] = Math.cos(angle)
    }
  }
  return tensorFrom(values, [length, dim], options.dtype)
}

function checkOneOf(name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) {
    throw rangeError(`sinusoidal: ${name} must be ${allowed.join(' or ')}, got ${value}`)
  }
}
