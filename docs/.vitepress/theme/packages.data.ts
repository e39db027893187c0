// Read when the site is built: the packages, what each is and which of the others it needs.
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface PackageEntry {
  readonly name: string
  readonly description: string
  /** Names of packages of this repository. */
  readonly needs: readonly string[]
}

declare const data: readonly PackageEntry[]
export { data }

const folder = fileURLToPath(new URL('../../../packages', import.meta.url))

/** @public VitePress calls it. */
export default {
  watch: ['../../../packages/*/package.json'],
  load(): readonly PackageEntry[] {
    return readdirSync(folder).map((each) => {
      const { name, description, dependencies } = JSON.parse(
        readFileSync(`${folder}/${each}/package.json`, 'utf8'),
      ) as { name: string; description: string; dependencies?: Record<string, string> }
      const needs = Object.keys(dependencies ?? {}).filter((other) => other.startsWith('@attn/'))
      return { name, description, needs }
    })
  },
}
