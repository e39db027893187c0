// What an import costs: a bundle of one name, minified and gzipped, without core.
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { expect, test } from 'vitest'

const source = fileURLToPath(new URL('../src/index.ts', import.meta.url))

async function gzippedSize(name: string): Promise<number> {
  const entry = 'virtual:entry'
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'entry',
        enforce: 'pre',
        resolveId: (id) => (id.endsWith(entry) ? entry : undefined),
        load: (id) =>
          id === entry ? `export { ${name} } from ${JSON.stringify(source)}` : undefined,
      },
    ],
    build: {
      write: false,
      minify: true,
      lib: { entry, formats: ['es'] },
      rollupOptions: { external: ['@attn/core'] },
    },
  })
  const [bundle] = Array.isArray(result) ? result : [result]
  if (!bundle || !('output' in bundle)) throw new Error('the bundler gave no output')
  return gzipSync(bundle.output[0].code).length
}

test.each([
  ['alibi', 1000],
  ['t5Bias', 1000],
  ['ropeFrequencies, rotate', 3000],
])('importing { %s } costs at most %d bytes beyond core', async (name, limit) => {
  const size = await gzippedSize(name)
  expect(size).toBeGreaterThan(200)
  expect(size).toBeLessThan(limit)
})
