// The examples, run as they are: their operation, attn, their operation, on one device, and the same by
// their operations alone.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { runProgram } from '../run-program.ts'
import { acquireGpu } from '../testing/acquire-gpu.ts'
import { findChromium } from '../testing/find-chromium.ts'
import { nodeForPrograms } from '../testing/test-runs.ts'
import { readRepositoryFile, repository } from '../workspace.ts'
import { textOfNextPage } from './next.ts'
import { textOfPage } from './pages.ts'
import { prepareWorkplace } from './workplace.ts'

const gpu = await acquireGpu()
const entries = readdirSync(join(repository, 'examples'), { withFileTypes: true })
const programs = entries.flatMap(({ name }) => (name.endsWith('.ts') ? [name] : []))
const pages = entries.flatMap(({ name }) =>
  existsSync(join(repository, 'examples', name, 'index.html')) ? [name] : [],
)

let folder: string
beforeAll(async () => {
  folder = await prepareWorkplace()
})

/** The number an example ends with. */
function difference(printed: string): number {
  const found = /largest difference (\S+)/.exec(printed)
  if (!found) throw new Error(`the example ended with ${JSON.stringify(printed)}`)
  return Number(found[1])
}

describe.skipIf(!gpu)('in Node', () => {
  test.each(programs)('%s', (name) => {
    const flags = ['--conditions=attn:source', '--no-warnings', '--import', './page.mjs']
    const { node, environment } = nodeForPrograms()
    const printed = runProgram(node, [...flags, join('examples', name)], folder, environment)
    expect(difference(printed)).toBeLessThan(1e-4)
  })
})

// Runtimes besides Node, each as its package brings it. The program is the same.
const runtimes = {
  deno: () => [
    process.execPath,
    join(folder, 'node_modules/deno/bin.cjs'),
    'run',
    '--allow-all',
    '--node-modules-dir=manual',
    '--conditions=attn:source',
  ],
  bun: () => {
    const builds = readdirSync(join(folder, 'node_modules/@oven'))
    const program = join(folder, 'node_modules/@oven', builds[0]!, 'bin/bun')
    return [program, '--no-install', '--conditions=attn:source']
  },
}

describe.skipIf(!gpu).each(Object.entries(runtimes))('in %s', (_, start) => {
  test('node.ts', () => {
    const [command, ...parameters] = start()
    const printed = runProgram(command!, [...parameters, 'examples/node.ts'], folder)
    expect(printed).toContain('on the GPU')
    expect(difference(printed)).toBeLessThan(1e-4)
  })
})

describe.skipIf(!gpu || !findChromium())('in a page', () => {
  test.each(pages)('%s', async (name) => {
    expect(difference(await textOfPage(join(folder, 'examples', name)))).toBeLessThan(1e-4)
  })

  test('next-page', async () => {
    expect(difference(await textOfNextPage('next-page'))).toBeLessThan(1e-4)
  })
})

test('compile', () => {
  const compilerOptions = {
    noEmit: true,
    declaration: false,
    declarationMap: false,
    isolatedDeclarations: false,
    rewriteRelativeImportExtensions: false,
    allowImportingTsExtensions: true,
    module: 'esnext',
    moduleResolution: 'bundler',
    types: ['node', '@webgpu/types'],
  }
  const config = join(folder, 'tsconfig.json')
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(repository, 'tsconfig.base.json'),
      compilerOptions,
      include: ['examples'],
      // Next checks its own.
      exclude: ['examples/next-page'],
    }),
  )
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  expect(() => runProgram(process.execPath, [compiler, '-p', config], folder)).not.toThrow()
})

test.each([
  ...programs,
  'transformers-js/main.ts',
  'next-page/app/page.tsx',
  'vite-page/main.ts',
  'web-worker/worker.ts',
])('%s needs at most five lines of attn', (name) => {
  const text = readRepositoryFile(`examples/${name}`)
  const recipe = text.slice(0, text.indexOf('// The same'))
  const lines = recipe
    .split('\n')
    .filter((line) => /\b(flash|plan|gpuTensor|createFlashAttention)\b[.(]|flash\?\./.test(line))
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.length).toBeLessThanOrEqual(5)
})
