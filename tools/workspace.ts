// The published packages of this repository, read from their manifests.
import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '')

export interface WorkspacePackage {
  /** `@attn/core` */
  readonly name: string
  /** `packages/core` */
  readonly folder: string
  readonly manifest: {
    readonly name: string
    readonly version: string
    readonly private?: boolean
    readonly dependencies?: Readonly<Record<string, string>>
    readonly peerDependencies?: Readonly<Record<string, string>>
  }
}

/** Every package under packages/, core first, as the others depend on it. */
export function workspacePackages(): readonly WorkspacePackage[] {
  const folders = readdirSync(join(repository, 'packages'))
    .map((name) => `packages/${name}`)
    .filter((folder) => existsSync(join(repository, folder, 'package.json')))
  const packages = folders.map((folder) => {
    const text = readFileSync(join(repository, folder, 'package.json'), 'utf8')
    const manifest = JSON.parse(text) as WorkspacePackage['manifest']
    return { name: manifest.name, folder, manifest }
  })
  const rank = ({ manifest }: WorkspacePackage): number =>
    Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@attn/')).length
  return packages.toSorted((left, right) => rank(left) - rank(right))
}

/** The TypeScript files under a folder of the repository, as paths from its root. */
export function typescriptFiles(folder: string): readonly string[] {
  return globSync(`${folder}/**/*.ts`, {
    cwd: repository,
    exclude: ['**/node_modules/**', '**/dist/**'],
  }).toSorted()
}

/** A file of the repository as text. */
export function readRepositoryFile(file: string): string {
  return readFileSync(join(repository, file), 'utf8')
}
