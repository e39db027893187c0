// Where peers are installed: a folder of their own in the user's cache, outside every project and its
// lockfile. What a project has installed anyway is found as well.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

/** The folder: `attn/peers` under `$XDG_CACHE_HOME`, or under `~/.cache`. */
export function peersFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return cacheFolder('peers', environment)
}

/** A folder of `attn` in the user's cache. */
export function cacheFolder(name: string, environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'attn', name)
}

const places = (folder: string): NodeJS.Require[] => [
  createRequire(join(folder, 'package.json')),
  createRequire(import.meta.url),
]

/** Path of the main file of a package, first as installed in `folder`, then as this package sees it. */
export function resolvePeer(folder: string, name: string): string | undefined {
  for (const require of places(folder)) {
    try {
      return require.resolve(name)
    } catch {
      // Not there; perhaps in the next place.
    }
  }
  return undefined
}

/** Version of a package that {@link resolvePeer} finds; empty where it finds none. */
export function versionOfPeer(folder: string, name: string): string {
  return packageOf(folder, name)?.version ?? ''
}

/** Folder and version of a package that {@link resolvePeer} finds. */
export function packageOf(
  folder: string,
  name: string,
): { readonly folder: string; readonly version: string } | undefined {
  // Node remembers what it once did not find, so what was just installed is looked for by hand.
  const installed = join(folder, 'node_modules', name)
  const version = versionIn(installed, name)
  if (version !== undefined) return { folder: installed, version }
  const main = resolvePeer(folder, name)
  if (main === undefined) return undefined
  // Upwards, for packages need not export their manifest.
  for (let place = dirname(main); dirname(place) !== place; place = dirname(place)) {
    const found = versionIn(place, name)
    if (found !== undefined) return { folder: place, version: found }
  }
  return undefined
}

function versionIn(folder: string, name: string): string | undefined {
  try {
    const text = readFileSync(join(folder, 'package.json'), 'utf8')
    const manifest = JSON.parse(text) as { name?: string; version?: string }
    return manifest.name === name ? (manifest.version ?? '') : undefined
  } catch {
    return undefined
  }
}

/**
 * Installs packages with npm, without running their install scripts: what these would fetch is for
 * other devices than WebGPU's.
 *
 * @param packages - `name@version` each.
 * @throws Error when npm fails, with what it printed.
 */
export async function installPeers(folder: string, packages: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const manifest = join(folder, 'package.json')
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "private": true }\n')
  const options = [
    '--prefix',
    folder,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--save-exact',
  ]
  const windows = process.platform === 'win32'
  await promisify(execFile)(windows ? 'npm.cmd' : 'npm', ['install', ...options, ...packages], {
    cwd: folder,
    shell: windows,
  })
}
