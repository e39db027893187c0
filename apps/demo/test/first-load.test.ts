// What a browser loads to show the first room: under 150 kB compressed, heavy parts later.
import { gzipSync } from 'node:zlib'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { build, type Rollup } from 'vite'

const limit = 150_000

test('the first load is small', async () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const built = (await build({
    root,
    configFile: `${root}vite.config.ts`,
    logLevel: 'error',
    build: { write: false },
  })) as Rollup.RollupOutput
  const chunks = new Map(
    built.output.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file] as const] : [])),
  )
  const loaded = new Set<string>()
  const load = (name: string): void => {
    const chunk = chunks.get(name)
    if (!chunk || loaded.has(name)) return
    loaded.add(name)
    chunk.imports.forEach(load)
  }
  const entry = [...chunks.values()].find(({ isEntry }) => isEntry)!
  load(entry.fileName)
  const room = [...chunks.values()].find(({ name }) => name === 'MaskLab')!
  load(room.fileName)
  const size = (text: string | Uint8Array): number => gzipSync(text).length
  const scripts = [...loaded].reduce((sum, name) => sum + size(chunks.get(name)!.code), 0)
  const styles = built.output
    .filter(({ fileName }) => fileName.endsWith('.css'))
    .reduce((sum, file) => sum + size(file.type === 'asset' ? file.source : ''), 0)
  expect(scripts).toBeGreaterThan(20_000)
  expect(scripts + styles).toBeLessThan(limit)
  // The library and the laboratory come when they are asked for.
  expect([...loaded].join(' ')).not.toMatch(/webgpu|Training|Speed/)
  console.info(`first load: ${scripts + styles} bytes compressed`)
})
