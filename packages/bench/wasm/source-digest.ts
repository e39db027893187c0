// What the kernels were compiled from: a test asks whether the module is up to date.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where the kernels' sources are. */
export const kernelFolder: string = fileURLToPath(new URL('./kernels/', import.meta.url))

/** SHA-256 of the sources. */
export function sourceDigest(): string {
  const hash = createHash('sha256')
  for (const file of readdirSync(kernelFolder).toSorted()) {
    hash.update(readFileSync(kernelFolder + file))
  }
  return hash.digest('hex')
}
