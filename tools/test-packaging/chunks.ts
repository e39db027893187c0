// What bundlers make of a dynamic import: what a page loads first, and what it loads when it is asked for.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as esbuild from 'esbuild'
import { build } from 'vite'
import webpack from 'webpack'

/** The text of a bundle. */
export interface Chunks {
  /** Of the entry and all that it imports. */
  readonly first: string
  /** Of the others. */
  readonly later: string
}

type Bundler = (folder: string, entry: string) => Promise<Chunks>

interface Chunk {
  readonly code: string
  readonly imports: readonly string[]
  readonly isEntry: boolean
}

/** The bundlers that people use, each as it comes. */
export const bundlers: Readonly<Record<string, Bundler>> = {
  vite: async (folder, entry) => {
    const made = await build({
      root: folder,
      configFile: false,
      logLevel: 'error',
      build: { write: false, target: 'es2023', rolldownOptions: { input: join(folder, entry) } },
    })
    const { output } = Array.isArray(made)
      ? made[0]!
      : (made as Exclude<typeof made, { on: unknown }>)
    return split(output.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file]] : [])))
  },

  webpack: async (folder, entry) => {
    const path = join(folder, 'webpack-chunks')
    const configuration: webpack.Configuration = {
      mode: 'production',
      context: folder,
      entry: `./${entry}`,
      target: 'web',
      output: { path, filename: 'first.js' },
      performance: false,
      optimization: { minimize: false },
    }
    await new Promise<void>((resolve, reject) => {
      webpack(configuration, (error) => (error ? reject(error) : resolve()))
    })
    // An entry of webpack is one file.
    const chunks = readdirSync(path).map((file): [string, Chunk] => {
      const code = readFileSync(join(path, file), 'utf8')
      return [file, { code, imports: [], isEntry: file === 'first.js' }]
    })
    return split(chunks)
  },

  esbuild: async (folder, entry) => {
    const { outputFiles, metafile } = await esbuild.build({
      absWorkingDir: folder,
      entryPoints: [entry],
      bundle: true,
      splitting: true,
      format: 'esm',
      minify: true,
      write: false,
      metafile: true,
      outdir: 'esbuild-chunks',
      external: ['webgpu', 'node:*'],
    })
    const chunks = Object.entries(metafile.outputs).map(([file, { imports, entryPoint }]) => {
      const { text } = outputFiles.find(({ path }) => path === join(folder, file))!
      const paths = imports.flatMap(({ kind, path }) => (kind === 'dynamic-import' ? [] : [path]))
      return [file, { code: text, imports: paths, isEntry: entryPoint === entry }] as const
    })
    return split(chunks)
  },
}

/** One file with everything in it, for where files cannot be split. */
export async function bundleInOneFile(folder: string, entry: string): Promise<string> {
  const outfile = join(folder, 'one-file/main.mjs')
  await esbuild.build({
    absWorkingDir: folder,
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile,
    // Its native library lies beside it.
    external: ['webgpu'],
  })
  return outfile
}

function split(named: Iterable<readonly [string, Chunk]>): Chunks {
  const chunks = new Map(named)
  const first = new Set<string>()
  const add = (name: string): void => {
    if (first.has(name) || !chunks.has(name)) return
    first.add(name)
    chunks.get(name)!.imports.forEach(add)
  }
  for (const [name, { isEntry }] of chunks) if (isEntry) add(name)
  const textOf = (isFirst: boolean): string =>
    [...chunks]
      .filter(([name]) => first.has(name) === isFirst)
      .map(([, { code }]) => code)
      .join('\n')
  return { first: textOf(true), later: textOf(false) }
}
