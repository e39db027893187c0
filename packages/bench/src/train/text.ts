// The text that `attn train` learns, one token a character. TypeScript's declarations are on nearly
// every machine where somebody builds for the web; where they are not, those of jax-js are, which this
// package depends on.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encode, vocabularyOf } from '../lab/data/vocabulary.ts'
import type { Vocabulary } from '../lab/data/vocabulary.ts'

/** A text as tokens. */
export interface Corpus {
  /** For people: the file's name and, where it is part of one, the package with its version. */
  readonly name: string
  /** SHA-256 of the characters, in hexadecimal: a run goes on with the same text only. */
  readonly digest: string
  readonly vocabulary: Vocabulary
  readonly tokens: Uint16Array
}

/** A corpus from a text. Line ends become `\n`, so that it is the same on every system. */
export function corpusOf(name: string, text: string): Corpus {
  const unified = text.replaceAll('\r\n', '\n')
  const vocabulary = vocabularyOf(unified)
  const digest = createHash('sha256').update(unified).digest('hex')
  return { name, digest, vocabulary, tokens: encode(unified, vocabulary) }
}

/**
 * Reads a text file, or else the declarations of ECMAScript 5 that come with TypeScript, or else the
 * declarations of jax-js.
 *
 * @param file - A UTF-8 text. Default: what this machine has, as above.
 * @param folders - Where TypeScript may be installed. Default: beside this package, and where the
 *   program was started.
 */
export function readCorpus(
  file?: string,
  folders: readonly string[] = [fileURLToPath(new URL('.', import.meta.url)), process.cwd()],
): Corpus {
  if (file !== undefined) return corpusOf(basename(file), readFileSync(file, 'utf8'))
  for (const folder of folders) {
    const manifest = resolveFrom(join(folder, 'any'), 'typescript/package.json')
    if (manifest === undefined) continue
    // TypeScript 7 keeps its declarations in a package for each platform.
    const platform = `@typescript/typescript-${process.platform}-${process.arch}/package.json`
    for (const each of [manifest, resolveFrom(manifest, platform)]) {
      const found = each && declarationsOf(dirname(each), 'lib/lib.es5.d.ts')
      if (found) return found
    }
  }
  const jax = createRequire(import.meta.url).resolve('@jax-js/jax')
  const found = declarationsOf(dirname(dirname(jax)), 'dist/index.d.ts')
  if (!found) throw new Error('attn train: found no declarations to learn; name a file with --text')
  return found
}

function resolveFrom(place: string, name: string): string | undefined {
  try {
    return createRequire(place).resolve(name)
  } catch {
    return undefined
  }
}

function declarationsOf(folder: string, path: string): Corpus | undefined {
  const file = join(folder, path)
  if (!existsSync(file)) return undefined
  const { name, version } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  ) as Manifest
  return corpusOf(`${basename(path)} of ${name} ${version}`, readFileSync(file, 'utf8'))
}

interface Manifest {
  readonly name: string
  readonly version: string
}
