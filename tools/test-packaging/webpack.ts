// A bundle as webpack makes it, and what it complained of.
import { join } from 'node:path'
import webpack from 'webpack'

export interface WebpackBundle {
  readonly file: string
  /** Errors and warnings, as webpack prints them. */
  readonly complaints: readonly string[]
}

/** Bundles one file of a folder for pages or for Node. */
export async function bundleWithWebpack(
  folder: string,
  entry: string,
  target: 'web' | 'node20',
): Promise<WebpackBundle> {
  const path = join(folder, `webpack-${target}`)
  const stats = await new Promise<webpack.Stats>((resolve, reject) => {
    webpack(
      {
        mode: 'production',
        context: folder,
        entry: `./${entry}`,
        target,
        // What minifiers spoil shows where the bundle runs, which it does in Node.
        optimization: { minimize: target !== 'web' },
        experiments: { outputModule: true },
        output: { path, filename: 'main.mjs', library: { type: 'module' } },
        // Sizes are another check's business.
        performance: false,
      },
      (error, made) => (made ? resolve(made) : reject(error ?? new Error('webpack made nothing'))),
    )
  })
  const { errors = [], warnings = [] } = stats.toJson({ all: false, errors: true, warnings: true })
  const complaints = [...errors, ...warnings].map(({ message }) => message)
  return { file: join(path, 'main.mjs'), complaints }
}
