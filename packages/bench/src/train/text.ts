// The text that `attn train` learns, one token a character. TypeScript's declarations are on nearly
// every machine where somebody builds for the web; where they are not, those of jax-js are, which this
// package depends on. Batches are drawn by counter, so that a run can be taken up anywhere.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hash } from '../inputs/normal.ts'

/** A text as tokens. */
export interface Corpus {
  /** For people: the file's name and, where it is part of one, the package with its version. */
  readonly name: string
  /** SHA-256 of the characters, in hexadecimal: a run goes on with the same text only. */
  readonly digest: string
  readonly vocabulary: Vocabulary
  readonly tokens: Uint16Array
}

/** The characters of a text in the order of their codes; a token is a place in it. */
export type Vocabulary = readonly string[]

/** Tokens and, for each of them, the one that follows; `[batch, context]`, row-major. */
export interface Batch {
  readonly inputs: Int32Array<ArrayBuffer>
  readonly targets: Int32Array<ArrayBuffer>
}

/** The distinct characters of a text. */
export function vocabularyOf(text: string): Vocabulary {
  return [...new Set(text)].toSorted((left, right) => left.codePointAt(0)! - right.codePointAt(0)!)
}

/**
 * A text as places in a vocabulary.
 *
 * @throws RangeError for a character that is not in it.
 */
export function encode(text: string, vocabulary: Vocabulary): Uint16Array {
  const places = new Map(vocabulary.map((character, place) => [character, place]))
  return Uint16Array.from(text as Iterable<string>, (character: string) => {
    const place = places.get(character)
    if (place === undefined) {
      throw new RangeError(`encode: the vocabulary has no ${JSON.stringify(character)}`)
    }
    return place
  })
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

/**
 * The batch of one step: pieces from places that depend on the seed, the step and nothing else.
 *
 * @throws RangeError when the text is shorter than a piece and the token after it.
 */
export function drawBatch(
  tokens: Uint16Array,
  options: { batch: number; context: number; seed: number; step: number },
): Batch {
  const { batch, context, seed, step } = options
  const places = tokens.length - context
  if (places < 1) {
    throw new RangeError(
      `attn train: the text must be longer than the context of ${context}, got ${tokens.length}`,
    )
  }
  const inputs = new Int32Array(batch * context)
  const targets = new Int32Array(batch * context)
  for (let row = 0; row < batch; row++) {
    const word = hash((hash(seed ^ 0x5bd1e995) + step * batch + row) >>> 0)
    const first = Math.floor((word / 2 ** 32) * places)
    inputs.set(tokens.subarray(first, first + context), row * context)
    targets.set(tokens.subarray(first + 1, first + 1 + context), row * context)
  }
  return { inputs, targets }
}
