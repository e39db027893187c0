// The names of the options that every attention function takes, and what stands here for those that
// other libraries have.
import { checkOptions } from '../check-options.ts'
import type { OptionNames } from '../check-options.ts'
import type { AttentionOptions } from './options.ts'

const attentionOptions: OptionNames<AttentionOptions> = {
  scale: true,
  mask: true,
  scoreModifiers: true,
  sequences: true,
  queryOffset: true,
  keyLengths: true,
  dropout: true,
  sinks: true,
  parameters: true,
}

/** The names of options that are not among those of every attention function. */
export type OwnNames<Options> = OptionNames<Omit<Options, keyof AttentionOptions>>

const causal = 'mask: causal() of @attn/masks'
const window = 'mask: slidingWindow(left, right) of @attn/masks'
const tensorMask = 'mask: maskFromTensor(values, shape)'
const tensorBias = 'scoreModifiers: [biasFromTensor(values, shape)]'
const cappedScores = 'scoreModifiers: [softcap(cap)]'
const packed = 'sequences: { cumulativeQueryLengths, cumulativeKeyLengths }'

/** What to write for the options of PyTorch, FlashAttention, xformers, JAX and ONNX. */
const elsewhere: Readonly<Record<string, string>> = {
  causal,
  iscausal: causal,
  window,
  windowsize: window,
  slidingwindow: window,
  localwindowsize: window,
  attnmask: tensorMask,
  attentionmask: tensorMask,
  keypaddingmask: 'keyLengths, or mask: maskFromTensor(values, [batch, 1, 1, keyLength])',
  bias: tensorBias,
  attnbias: tensorBias,
  attentionbias: tensorBias,
  softcap: cappedScores,
  logitssoftcap: cappedScores,
  alibi: 'scoreModifiers: [alibi({ heads })] of @attn/positions',
  alibislopes: 'scoreModifiers: [alibi({ heads, slopes })] of @attn/positions',
  dropoutp: 'dropout: { rate, seed }',
  dropoutrate: 'dropout: { rate, seed }',
  softmaxscale: 'scale',
  scaling: 'scale',
  scoremod: 'scoreModifiers: [scoreModifier(name, build)]',
  maskmod: 'mask: mask(name, build)',
  cuseqlensq: packed,
  cuseqlensk: packed,
  cuseqlens: packed,
  enablegqa: 'nothing: heads share keys wherever there are fewer key heads',
  rope: 'rotate of @attn/positions before the call, or rope: embedding where @attn/webgpu-flash takes one',
}

/**
 * Checks options of attention by name.
 *
 * @param more - Those of the caller's own.
 * @throws TypeError for something that is no object, and for a name that is not known.
 *
 * @example
 * ```ts
 * import { checkAttentionOptions } from '@attn/core'
 * const options = { isCausal: true }
 * checkAttentionOptions('attention', options) // => throws TypeError: attention: there is no option isCausal; write mask: causal() of @attn/masks
 * ```
 */
export function checkAttentionOptions(
  caller: string,
  options: unknown,
  more: Readonly<Record<string, true>> = {},
): void {
  checkOptions(caller, options, { ...attentionOptions, ...more }, elsewhere)
}
