// Packages of another release of Debian than the one that runs here, unpacked into a folder: nothing
// is installed, no rights are needed, and apt checks every byte against Debian's archive key.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const archiveKey = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Which packages, of which release. */
export interface PackageSelection {
  /** Name of the release, such as `forky`. */
  readonly release: string
  readonly packages: readonly string[]
}

/**
 * Downloads packages and all that they depend on, and unpacks them into `folder/root`.
 *
 * @throws Error where this is no Debian, or the mirror or the signature is missing.
 */
export function unpackDebianPackages(
  { release, packages }: PackageSelection,
  folder: string,
): string {
  const mirror = debianMirror(aptSources())
  if (mirror === undefined) throw new Error("apt's configuration names no mirror of Debian")
  if (!existsSync(archiveKey)) throw new Error(`${archiveKey} is missing (debian-archive-keyring)`)
  const [lists, archives, root] = ['lists', 'archives', 'root'].map((name) => join(folder, name))
  mkdirSync(join(lists!, 'partial'), { recursive: true })
  mkdirSync(join(archives!, 'partial'), { recursive: true })
  mkdirSync(root!, { recursive: true })
  const sources = join(folder, 'sources.list')
  writeFileSync(sources, `deb [signed-by=${archiveKey}] ${mirror} ${release} main\n`)
  const configuration = [
    ['Dir::Etc::sourcelist', sources],
    ['Dir::Etc::sourceparts', '-'],
    ['Dir::State::Lists', lists],
    // Nothing counts as installed, so that the C library comes along too.
    ['Dir::State::status', '/dev/null'],
    ['Dir::Cache::archives', archives],
    ['Dir::Cache::pkgcache', ''],
    ['Dir::Cache::srcpkgcache', ''],
    ['Debug::NoLocking', '1'],
    ['Acquire::Languages', 'none'],
    ['Acquire::Retries', '3'],
    ['APT::Update::Error-Mode', 'any'],
    // The folder belongs to whoever runs this, not to apt's own user.
    ['APT::Sandbox::User', 'root'],
  ].map(([name, value]) => `-o${name}=${value}`)
  run('apt-get', ['-qq', ...configuration, 'update'])
  const install = ['install', '--yes', '--no-install-recommends', '--download-only']
  run('apt-get', ['-qq', ...configuration, ...install, ...packages])
  for (const name of readdirSync(archives!).filter((file) => file.endsWith('.deb'))) {
    run('dpkg-deb', ['--extract', join(archives!, name), root!])
  }
  rmSync(lists!, { recursive: true })
  rmSync(archives!, { recursive: true })
  return root!
}

/**
 * The first mirror of Debian's main archive among sources of apt, of either format: lines that begin
 * with `deb`, or paragraphs of fields.
 */
export function debianMirror(sources: readonly string[]): string | undefined {
  return sources
    .flatMap((text) => [...addressesInLines(text), ...addressesInFields(text)])
    .map((address) => address.replace(/\/+$/, ''))
    .find((address) => /^https?:.*\/debian$/.test(address))
}

function addressesInLines(text: string): string[] {
  const lines = text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/gm)
  return [...lines].map((match) => match[1]!)
}

function addressesInFields(text: string): string[] {
  const paragraphs = text.split(/\n\s*\n/).filter((each) => !/^Enabled:\s*no\b/im.test(each))
  return paragraphs.flatMap(
    (each) => /^URIs:((?:[^\n]|\n[ \t])*)/im.exec(each)?.[1]?.trim().split(/\s+/) ?? [],
  )
}

/** The texts of this machine's sources; none where it has no apt. */
function aptSources(): string[] {
  const variables = ['list', 'Dir::Etc::sourcelist/f', 'parts', 'Dir::Etc::sourceparts/d']
  const [list, parts] = [...run('apt-config', ['shell', ...variables]).matchAll(/='([^']*)'/g)]
  const folder = parts?.[1] ?? ''
  const inFolder = existsSync(folder) ? readdirSync(folder).toSorted() : []
  const files = [
    list?.[1] ?? '',
    ...inFolder.filter((name) => /\.(list|sources)$/.test(name)).map((name) => join(folder, name)),
  ]
  return files.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8'))
}

function run(command: string, parameters: readonly string[]): string {
  try {
    return execFileSync(command, parameters, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  } catch (error) {
    const { code, stderr } = error as { readonly code?: string; readonly stderr?: string }
    if (code === 'ENOENT') throw new Error(`no ${command} here, which Debian has`, { cause: error })
    const reason = stderr?.trim() || String(error)
    throw new Error(`${command} ${parameters.at(-1)}: ${reason}`, { cause: error })
  }
}
