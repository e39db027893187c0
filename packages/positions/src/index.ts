/**
 * Position methods for transformers: sinusoidal, ALiBi, T5 bias, RoPE and its length extensions.
 *
 * @packageDocumentation
 */

export {}
