/**
 * The attn command: measures attention in TypeScript and compares it with its peers.
 *
 * @packageDocumentation
 */

export {}
