/**
 * The shared tensor interface, mask and score expressions, block maps and CPU reference attention of attn.
 *
 * @packageDocumentation
 */

export {}
