// Rotary position embedding as plain data (RoFormer, arXiv 2104.09864): the one thing that whoever
// computes frequencies (`@attn/positions`) and whoever turns vectors by them (a GPU kernel) share.

/**
 * Which two elements of a head vector make the pair that turns together, for pair j of a vector
 * whose first `rotaryDim` elements rotate:
 *
 * - `half`: elements j and j + rotaryDim / 2 (GPT-NeoX, Llama; Hugging Face's `rotate_half`).
 * - `interleaved`: elements 2j and 2j + 1 (RoFormer, GPT-J, Cohere, GLM).
 *
 * Weights trained under one give nonsense under the other, without any error.
 */
export type RotaryLayout = 'half' | 'interleaved'

/**
 * How query and key vectors turn with their position: at position m, pair j turns by the angle
 * m * inverseFrequencies[j], and its length is multiplied by `attentionFactor`. Elements from
 * `rotaryDim` on stay as they are.
 */
export interface RotaryEmbedding {
  /** Radians per position for each of the rotaryDim / 2 pairs; 0 leaves a pair unturned. */
  readonly inverseFrequencies: ArrayLike<number>
  /** Factor on cosine and sine, so scores get its square (YaRN's temperature); 1 for plain RoPE. */
  readonly attentionFactor: number
  readonly layout: RotaryLayout
  /** How many leading elements of each head vector rotate: even, at most headDim. */
  readonly rotaryDim: number
}
