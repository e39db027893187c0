// An empty project somewhere else, with every package of this repository installed from the
// tarball that would be published.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { oneAtATime } from './one-at-a-time.ts'
import { runProgram } from './run-program.ts'
import { repository, workspacePackages } from './workspace.ts'
import type { WorkspacePackage } from './workspace.ts'

export interface PackedProject {
  readonly folder: string
  /** The tarball of each package, by the package's name. */
  readonly tarballs: ReadonlyMap<string, string>
  write(file: string, text: string): void
  remove(): void
}

/** Packs packages, which builds them; each tarball lies in `destination`. Default: all there are. */
export function packAll(
  destination: string,
  packages: readonly WorkspacePackage[] = workspacePackages(),
): ReadonlyMap<string, string> {
  mkdirSync(destination, { recursive: true })
  const pack = ({ name, folder, manifest }: WorkspacePackage): readonly [string, string] => {
    runProgram('pnpm', ['pack', '--pack-destination', destination], join(repository, folder))
    const file = `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`
    return [name, join(destination, file)]
  }
  return oneAtATime('packing', () => new Map(packages.map(pack)))
}

/** Packs all packages and installs them, with the other packages named in `companions`. */
export function createPackedProject(companions: readonly string[]): PackedProject {
  const folder = mkdtempSync(join(tmpdir(), 'attn-packed-'))
  const write = (file: string, text: string): void => {
    mkdirSync(join(folder, file, '..'), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  const tarballs = packAll(join(folder, 'tarballs'))
  const local = Object.fromEntries([...tarballs].map(([name, file]) => [name, `file:${file}`]))
  const { devDependencies } = JSON.parse(
    readFileSync(join(repository, 'package.json'), 'utf8'),
  ) as { devDependencies: Record<string, string> }
  const pinned = Object.fromEntries(companions.map((name) => [name, devDependencies[name]]))
  const manifest = { private: true, type: 'module', dependencies: { ...local, ...pinned } }
  write('package.json', JSON.stringify(manifest))
  // What they ask of one another comes from the tarballs as well. Each package sees what it names and nothing more,
  // as where it is installed alone.
  const settings = {
    hoist: false,
    overrides: local,
    allowBuilds: { esbuild: false, webgpu: false },
  }
  write('pnpm-workspace.yaml', JSON.stringify(settings))
  runProgram('pnpm', ['install', '--prefer-offline', '--no-frozen-lockfile'], folder)
  return {
    folder,
    tarballs,
    write,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
