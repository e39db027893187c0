// What the ways of `attn run` are called in tables.
import type { Method } from '../suites/problem.ts'

/** In headings. */
export const methodNames: Readonly<Record<Method, string>> = {
  standard: 'standard',
  flash: 'flash',
  windowFlash: 'window',
}
