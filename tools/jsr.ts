// The manifests of JSR, the registry of TypeScript sources, made from those of npm. A
// package there is its sources; what it imports by name has to be named with its registry.
import { readRepositoryFile, workspacePackages } from './workspace.ts'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, { readonly 'attn:source'?: string } | string>>
  readonly dependencies?: Readonly<Record<string, string>>
}

/** Packages of which the sources are all there is: the command line stays with npm. */
export const jsrPackages: readonly string[] = workspacePackages()
  .map(({ folder }) => folder)
  .filter((folder) => !folder.endsWith('bench'))

/** The text of `jsr.json` in a package's folder. */
export function jsrManifest(folder: string): string {
  const manifest = JSON.parse(readRepositoryFile(`${folder}/package.json`)) as Manifest
  const { name, version, dependencies = {} } = manifest
  const exports = Object.fromEntries(
    Object.entries(manifest.exports).flatMap(([path, target]) => {
      const source = typeof target === 'string' ? undefined : target['attn:source']
      return source ? [[path, source]] : []
    }),
  )
  const imports = Object.fromEntries(
    Object.keys(dependencies).map((dependency) => [dependency, `jsr:${dependency}@^${version}`]),
  )
  const publish = { include: ['src', 'README.md', 'LICENSE', 'CHANGELOG.md'] }
  const parts = { name, version, license: 'MIT', exports, imports, publish }
  return `${JSON.stringify(parts, null, 2)}\n`
}
