// What a figure depends on apart from the device, read off this Node process. The only file beside
// the command itself that needs Node.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, cpus, release, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Environment } from '../report/run-report.ts'

const packageFolder = fileURLToPath(new URL('../..', import.meta.url))

/** Version of this package. */
export function ownVersion(): string {
  return versionIn(new URL('../../package.json', import.meta.url)) ?? 'unknown'
}

/** Versions, platform and, in a checkout of the repository, the commit. */
export function readEnvironment(): Environment {
  const [processor] = cpus()
  const webgpu = versionIn(() => createRequire(import.meta.url).resolve('webgpu/package.json'))
  return {
    attn: ownVersion(),
    runtime: `Node ${process.versions.node}`,
    platform: `${type()} ${release()} ${arch()}`,
    ...(processor ? { processor: `${processor.model.trim()}, ${cpus().length} cores` } : {}),
    ...(webgpu ? { webgpu } : {}),
    ...readCommit(),
  }
}

function versionIn(manifest: URL | (() => string)): string | undefined {
  try {
    const file = typeof manifest === 'function' ? manifest() : manifest
    return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version
  } catch {
    return undefined
  }
}

function readCommit(): Pick<Environment, 'commit' | 'uncommittedChanges'> {
  // Installed as a dependency, the repository around it is somebody else's.
  if (/[\\/]node_modules[\\/]/.test(packageFolder)) return {}
  const git = (...parameters: string[]): string =>
    execFileSync('git', parameters, { cwd: packageFolder, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  // Sources that were copied to another machine can be named this way, whatever history is there.
  const named = process.env['ATTN_COMMIT']
  if (named) return { commit: named }
  try {
    const commit = git('rev-parse', '--short=12', 'HEAD')
    return { commit, uncommittedChanges: git('status', '--porcelain') !== '' }
  } catch {
    return {}
  }
}
