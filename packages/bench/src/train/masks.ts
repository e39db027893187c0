// The masks of training runs by name, for any length: what the lecture calls sparse patterns. All of them
// hide later tokens. A factorized pattern has two heads, which a network can take in three ways.
import { rangeError } from '@attn/core'
import type { Mask } from '@attn/core'
import {
  and,
  attentionSinks,
  balancedStride,
  bigBird,
  causal,
  dilatedWindow,
  fixed,
  globalTokens,
  or,
  randomKeys,
  slidingWindow,
  strided,
} from '@attn/masks'
import type { Factorization } from '@attn/masks'

/** Masks by name. */
export const maskNames = [
  'causal',
  'window',
  'strided',
  'fixed',
  'dilated',
  'sinks',
  'global',
  'random',
  'bigbird',
] as const
/** The name of one. */
export type MaskName = (typeof maskNames)[number]

/**
 * How a network takes the heads of a factorized pattern (Sparse Transformer, arXiv 1904.10509, section 5.2):
 * one of them a layer, in turn; their union in every layer; one for each attention head, in turn.
 */
export const integrations = ['interleaved', 'merged', 'multihead'] as const
/** One of them. */
export type Integration = (typeof integrations)[number]

/** A mask for each layer of a model. */
export interface PatternSettings {
  readonly mask: MaskName
  /** Keys of the window, stride of `strided`, and so on; chosen by the length where undefined. */
  readonly extent?: number | undefined
  /** Of `strided` and `fixed`. Default: `multihead`. */
  readonly integration?: Integration | undefined
}

/**
 * The mask of a layer.
 *
 * `extent` is what the name suggests: keys of `window` and of `sinks`' window (default: a quarter of the length),
 * l of `strided` and `fixed` (its root; `fixed` has l / 8 summary keys), the dilation (2), `global` tokens (a
 * sixteenth), `random` keys a query (the root), and BigBird's block (a sixteenth). With `global` and `random`
 * each query also sees itself.
 */
export function maskOfLayer(
  { mask, extent, integration = 'multihead' }: PatternSettings,
  { length, layer }: { readonly length: number; readonly layer: number },
): Mask {
  const quarter = Math.max(1, Math.floor(length / 4))
  const sixteenth = Math.max(1, length >> 4)
  const stride = extent ?? Math.max(2, balancedStride(length))
  const own = slidingWindow(0)
  switch (mask) {
    case 'causal':
      return causal()
    case 'window':
      return slidingWindow((extent ?? quarter) - 1)
    case 'strided':
      return integrated(strided(stride), integration, layer)
    case 'fixed':
      return integrated(
        fixed(stride, { summary: Math.max(1, Math.round(stride / 8)) }),
        integration,
        layer,
      )
    case 'dilated':
      return dilatedWindow({ left: Math.max(1, Math.floor(quarter / 2)), dilation: extent ?? 2 })
    case 'sinks':
      return attentionSinks({ recent: extent ?? quarter })
    case 'global':
      return and(causal(), or(own, globalTokens(extent ?? sixteenth)))
    case 'random': {
      const count = Math.min(length, extent ?? Math.max(1, balancedStride(length)))
      return or(own, randomKeys({ length, count, seed: layer, causal: true }))
    }
    case 'bigbird':
      return and(
        causal(),
        bigBird({ length, blockSize: extent ?? sixteenth, randomBlocks: 1, seed: layer }),
      )
  }
}

/** How many layers it takes until masks repeat. */
export function layersThatDiffer({ mask, integration }: PatternSettings, layers: number): number {
  if (mask === 'random' || mask === 'bigbird') return layers
  return integration === 'interleaved' && (mask === 'strided' || mask === 'fixed')
    ? Math.min(2, layers)
    : 1
}

/** The masks of all layers; undefined for causal attention, which needs none. */
export function layerMasks(
  settings: PatternSettings | undefined,
  { length, layers }: { readonly length: number; readonly layers: number },
): (Mask | undefined)[] {
  if (!settings || settings.mask === 'causal') return [undefined]
  return Array.from({ length: layers }, (_, layer) => maskOfLayer(settings, { length, layer }))
}

function integrated(heads: Factorization, integration: Integration, layer: number): Mask {
  switch (integration) {
    case 'interleaved':
      return heads.interleaved(layer)
    case 'merged':
      return heads.merged()
    case 'multihead':
      return heads.multiHead()
  }
}

/**
 * Checks the settings of a pattern.
 *
 * @throws RangeError for a name or an extent that makes no sense.
 */
export function checkPattern(
  caller: string,
  { mask, extent = 1, integration = 'multihead' }: PatternSettings,
): void {
  if (!maskNames.includes(mask)) {
    throw rangeError(`${caller}: mask must be one of ${maskNames.join(', ')}, got ${mask}`)
  }
  if (!Number.isSafeInteger(extent) || extent < 1) {
    throw rangeError(`${caller}: extent must be a positive integer, got ${extent}`)
  }
  if (!integrations.includes(integration)) {
    throw rangeError(
      `${caller}: integration must be one of ${integrations.join(', ')}, got ${integration}`,
    )
  }
}
