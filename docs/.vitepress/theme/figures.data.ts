// Computed when the site is built, by the packages themselves: what guides draw as charts.
import { memoryTraffic } from '@attn/core'
import {
  bigBird,
  causal,
  complexityExponent,
  fixed,
  maskStatistics,
  slidingWindow,
  strided,
} from '@attn/masks'
import type { Mask } from '@attn/core'
import { ropeConfigFromHuggingFace, ropeFrequencies, wavelengths } from '@attn/positions'
import type { ChartSeries } from '@attn/components/chart'

interface Figures {
  /** Visible pairs by length, and the exponent that they grow with. */
  readonly growth: readonly ChartSeries[]
  /** Elements moved by the numbers that fit on the chip. */
  readonly traffic: readonly ChartSeries[]
  /** Tokens a turn by pair of elements, of models as their files say. */
  readonly turns: readonly ChartSeries[]
}

declare const data: Figures
export { data }

const colors = ['orange', 'blue', 'green', 'pink', 'amber', 'grey'] as const
const markers = ['square', 'circle', 'triangle', 'diamond'] as const
const look = (index: number) => ({
  color: colors[index % colors.length]!,
  marker: markers[index % markers.length]!,
  second: false,
})

const lengths = [64, 128, 256, 512, 1024, 2048]
const side = (length: number): number => Math.round(Math.sqrt(length))
const patterns: Readonly<Record<string, (length: number) => Mask>> = {
  causal: () => causal(),
  'strided, l = √n': (length) => strided(side(length)).merged(),
  'fixed, l = √n': (length) => fixed(side(length)).merged(),
  BigBird: (length) => bigBird({ length, blockSize: 16, randomBlocks: 2, seed: 1 }),
  'window of 64': () => slidingWindow(63),
}

function growth(): ChartSeries[] {
  return Object.entries(patterns).map(([name, maskFor], index) => {
    const exponent = complexityExponent(maskFor)
    return {
      ...look(index),
      label: `${name}: n^${exponent.toFixed(2)}`,
      points: lengths.map((length) => ({
        length,
        value: maskStatistics(maskFor(length), length).pairs,
      })),
    }
  })
}

function traffic(): ChartSeries[] {
  const shape = { queryLength: 512, headDim: 64 }
  const chip = Array.from({ length: 13 }, (_, index) => Math.round(2 ** (11 + index / 2)))
  const flash = (loopOrder: 'keys-outside' | 'queries-outside') =>
    chip.map((onChipElements) => ({
      length: onChipElements,
      value: memoryTraffic({ algorithm: 'flash', loopOrder, onChipElements, ...shape }).total,
    }))
  const standard = memoryTraffic({ algorithm: 'standard', ...shape }).total
  return [
    {
      ...look(0),
      label: 'standard attention',
      points: chip.map((length) => ({ length, value: standard })),
    },
    { ...look(1), label: 'FlashAttention', points: flash('keys-outside') },
    { ...look(2), label: 'FlashAttention-2', points: flash('queries-outside') },
  ]
}

/** As the files of these models on the Hub have it, shortened to what decides the angles. */
const models: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'Llama 2': { model_type: 'llama', hidden_size: 4096, num_attention_heads: 32 },
  'Llama 3.1, scaled by parts': {
    model_type: 'llama',
    hidden_size: 4096,
    num_attention_heads: 32,
    rope_theta: 500000,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
  },
  'Qwen 2.5': {
    model_type: 'qwen2',
    hidden_size: 3584,
    num_attention_heads: 28,
    rope_theta: 1000000,
  },
  'GPT-NeoX, a quarter of the elements': {
    model_type: 'gpt_neox',
    hidden_size: 6144,
    num_attention_heads: 64,
    rotary_pct: 0.25,
  },
}

function turns(): ChartSeries[] {
  return Object.entries(models).map(([label, file], index) => {
    const frequencies = ropeFrequencies(ropeConfigFromHuggingFace(file))
    return {
      ...look(index),
      label,
      points: wavelengths(frequencies, 8192).map(({ wavelength }, pair) => ({
        length: pair,
        value: wavelength,
      })),
    }
  })
}

/** @public VitePress calls it. */
export default {
  load(): Figures {
    return { growth: growth(), traffic: traffic(), turns: turns() }
  },
}
