// What a user gets: the packages as they would be published, installed from their tarballs into an
// empty project, where every README example has to run and to compile as written.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withAssertions } from '../doctest/assertions.ts'
import { snippetsOf } from '../doctest/collect.ts'
import type { Snippet } from '../doctest/extract.ts'
import { createPackedProject, type PackedProject } from '../packed-project.ts'
import { runProgram } from '../run-program.ts'
import { acquireGpu } from '../testing/acquire-gpu.ts'
import { readRepositoryFile, repository, workspacePackages } from '../workspace.ts'
import { bundleInOneFile, bundlers } from './chunks.ts'
import { bundleExamples, type Bundle } from './page.ts'
import { bundleWithWebpack } from './webpack.ts'

const packages = workspacePackages()
const snippets = ['README.md', ...packages.map(({ folder }) => `${folder}/README.md`)].flatMap(
  (file) => snippetsOf(file),
)
const needsGpu = ({ code }: Snippet): boolean => code.includes('@attn/webgpu-flash')
const needsNode = ({ code }: Snippet): boolean => /'(node:|@attn\/bench)/.test(code)
const nameOf = ({ file, line }: Snippet): string => `${file.replaceAll('/', '-')}-${line}`

const runnable = snippets.filter(({ run }) => run)
const bundled = runnable.filter((snippet) => !needsNode(snippet))
const gpu = runnable.some(needsGpu) ? await acquireGpu() : undefined

/** Options that are undefined, buffers that are buffers and not any, arrays that no library may know of. */
const typedUses = `import { flashAttention, tensor, zeros } from '@attn/core'
import { causal, type Pattern } from '@attn/masks'
import { createFlashAttention, gpuTensor, type FlashAttention, type GpuTensor } from '@attn/webgpu-flash'

export const masked = (mask: Pattern | undefined) =>
  flashAttention(zeros([1, 1, 2, 4]), zeros([1, 1, 2, 4]), zeros([1, 1, 2, 4]), { mask, scale: undefined })
export const maybe = (long: boolean) => masked(long ? causal() : undefined)
export const found = (device: FlashAttention['device'] | undefined) => createFlashAttention({ device })
export const planned = (flash: FlashAttention, heads: number | undefined) =>
  flash.plan({ heads: 2, kvHeads: heads, queryLength: 3, headDim: 4, mask: undefined, rope: undefined })
export const storage = (view: GpuTensor): number => view.storage.size
// @ts-expect-error: a buffer is a buffer, whoever describes it
export const wrong: GpuTensor['storage'] = 'text'
// @ts-expect-error: and so is what a tensor is made over
export const view = gpuTensor(7, [4])
export const values = tensor(new Float32Array(4), [4], { strides: undefined })
`

/** Imports the examples one after another, each being a program, and writes down what went wrong in which. */
const runnerInNode = `import { writeFileSync } from 'node:fs'
const [target, ...names] = process.argv.slice(2)
const outcomes = {}
for (const name of names) {
  try {
    await import('./examples/' + name + '.ts')
    outcomes[name] = ''
  } catch (error) {
    outcomes[name] = String(error?.stack ?? error)
  }
  writeFileSync(target, JSON.stringify(outcomes))
}
`
const withoutHurry = new URL('../testing/poll-without-hurry.ts', import.meta.url).href
const inNode = runnable.filter((snippet) => !needsGpu(snippet) || gpu)

let project: PackedProject
let bundle: Bundle

beforeAll(async () => {
  project = createPackedProject(['webgpu', '@webgpu/types', '@types/node'])
  project.write('expect-value.ts', readRepositoryFile('tools/doctest/expect-value.ts'))
  for (const snippet of snippets) {
    project.write(`typed/${nameOf(snippet)}.ts`, `${snippet.code}\nexport {}\n`)
  }
  for (const snippet of runnable) {
    const code = withAssertions(snippet, '../expect-value.ts')
    project.write(`examples/${nameOf(snippet)}.ts`, code)
  }
  const entries = bundled
    .map(nameOf)
    .map((name) => `'${name}': () => import('./examples/${name}.ts')`)
  project.write('main.ts', `export const examples = { ${entries.join(',\n')} }\n`)
  project.write('public/index.html', '<!doctype html><title>examples</title>')
  bundle = await bundleExamples(project.folder)
})

afterAll(async () => {
  await bundle?.close()
  project?.remove()
})

function runInProject(command: string, parameters: readonly string[]): string {
  return runProgram(command, parameters, project.folder)
}

describe.each(packages)('$name', ({ name, folder }) => {
  test('imports', () => {
    const code = `if (Object.keys(await import('${name}')).length === 0) process.exit(3)`
    expect(() => runInProject(process.execPath, ['--input-type=module', '-e', code])).not.toThrow()
  })

  test('its README has an example', () => {
    expect(readRepositoryFile(`${folder}/README.md`)).toMatch(/```(ts|sh)/)
  })
})

describe('README examples', () => {
  // In one process, since each takes a second to find a device and to load its driver.
  let outcomes: Readonly<Record<string, string>> = {}
  let ended = 'was not run'
  beforeAll(() => {
    const [runner, target] = ['run-examples.mjs', 'examples-in-node.json']
    project.write(runner, runnerInNode)
    project.write(target, '{}')
    try {
      const flags = ['--no-warnings', '--import', withoutHurry]
      runInProject(process.execPath, [...flags, runner, target, ...inNode.map(nameOf)])
      ended = ''
    } catch (error) {
      // Those that ended before the process did have their outcome all the same.
      ended = String(error)
    }
    const text = readFileSync(join(project.folder, target), 'utf8')
    outcomes = JSON.parse(text) as Record<string, string>
  })

  for (const snippet of runnable) {
    test.skipIf(needsGpu(snippet) && !gpu)(`${nameOf(snippet)} in Node`, () => {
      expect(outcomes[nameOf(snippet)] ?? `has no outcome: ${ended}`).toBe('')
    })
  }

  test('the process that ran them one after another ends by itself', () => {
    expect(ended).toBe('')
  })

  // As its reader would run it, to its own end.
  const [first] = inNode
  test.runIf(first)('the first of them ends by itself', () => {
    const file = `examples/${nameOf(first!)}.ts`
    expect(() => runInProject(process.execPath, ['--no-warnings', file])).not.toThrow()
  })

  for (const snippet of bundled) {
    test.skipIf(needsGpu(snippet) && !gpu)(`${nameOf(snippet)} in a bundle`, async () => {
      await expect(bundle.run(nameOf(snippet))).resolves.toBeUndefined()
    })
  }
})

const bundler = { module: 'esnext', moduleResolution: 'bundler' }
const nodenext = { module: 'nodenext', moduleResolution: 'nodenext' }

// Each compiler with and without `@webgpu/types`, each resolution, all of it at its strictest. TypeScript 5.9
// does not know WebGPU by itself, so that examples which use a device compile under the others alone.
describe.each([
  { compiler: 'typescript', types: ['node'], resolution: bundler, examples: true },
  {
    compiler: 'typescript',
    types: ['node', '@webgpu/types'],
    resolution: nodenext,
    examples: true,
  },
  {
    compiler: 'typescript-5.9',
    types: ['node', '@webgpu/types'],
    resolution: bundler,
    examples: true,
  },
  { compiler: 'typescript-5.9', types: ['node'], resolution: nodenext, examples: false },
])('under $compiler, $resolution.moduleResolution, with $types', (setting) => {
  const { compiler, types, resolution, examples } = setting
  const program = join(repository, 'node_modules', compiler, 'bin/tsc')

  /** The complaints about our declarations and the examples, not those about anyone else's. */
  function complain(folders: readonly string[]): readonly string[] {
    const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false }
    const target = { target: 'es2022', lib: ['es2023', 'dom'], noEmit: true, types }
    const compilerOptions = { ...strict, ...target, ...resolution }
    project.write('tsconfig.json', JSON.stringify({ compilerOptions, include: folders }))
    try {
      runInProject(process.execPath, [program, '-p', 'tsconfig.json'])
      return []
    } catch (error) {
      const lines = (error as Error).message.split('\n').filter((line) => line.includes('error TS'))
      const ours = lines.filter((line) => /^(typed|types)\/|\/@attn\//.test(line))
      if (lines.length === 0) throw error
      return ours
    }
  }

  // One run of the compiler for both folders; but where `@webgpu/types` is not asked for, examples may bring it
  // along, and our declarations have to hold without.
  const together = examples && types.includes('@webgpu/types')
  const made = new Map<string, readonly string[]>()
  function complaints(folder: 'types' | 'typed'): readonly string[] {
    const folders = together ? ['types', 'typed'] : [folder]
    const key = folders.join()
    const all = made.get(key) ?? complain(folders)
    made.set(key, all)
    return all.filter((line) => line.startsWith('typed/') === (folder === 'typed'))
  }

  test('the declarations hold', () => {
    expect(existsSync(program)).toBe(true)
    const imports = packages.map(({ name }, index) => `import * as all${index} from '${name}'`)
    const uses = packages.map((_, index) => `all${index}`).join(', ')
    project.write('types/all.ts', `${imports.join('\n')}\nexport const all = [${uses}]\n`)
    project.write('types/uses.ts', typedUses)
    expect(complaints('types')).toEqual([])
  })

  test.each(examples ? ['the README examples'] : [])('%s compile', () => {
    expect(snippets.length).toBeGreaterThan(0)
    expect(complaints('typed')).toEqual([])
  })
})

describe('bundled by webpack', () => {
  const code = `import { createFlashAttention } from '@attn/webgpu-flash'
export async function start() {
  const flash = await createFlashAttention()
  flash.destroy()
}
if (globalThis.process) await start()
`
  test('for pages, without a complaint', async () => {
    project.write('webpack-entry.js', code)
    const { complaints } = await bundleWithWebpack(project.folder, 'webpack-entry.js', 'web')
    expect(complaints).toEqual([])
  })

  test.skipIf(!gpu)('for Node, where it finds the package webgpu', async () => {
    project.write('webpack-entry.js', code)
    const bundled = await bundleWithWebpack(project.folder, 'webpack-entry.js', 'node20')
    expect(bundled.complaints).toEqual([])
    expect(() => runInProject(process.execPath, [bundled.file])).not.toThrow()
  })
})

describe('what gradients need', () => {
  const code = `import { zeros } from '@attn/core'
import { createFlashAttention } from '@attn/webgpu-flash'
export async function step() {
  const flash = await createFlashAttention()
  const x = zeros([1, 1, 4, 4])
  const forward = await flash.attention(x, x, x)
  const { dQuery } = await flash.attentionBackward(x, x, x, forward, x)
  flash.destroy()
  return dQuery
}
`
  // Labels of compute passes, which no minifier shortens.
  const [ofForward, ofBackward] = ['attn forward', 'attn backward']

  test.each(Object.keys(bundlers))('is not among what %s has pages load first', async (name) => {
    project.write('chunks-entry.js', `${code}globalThis.step = step\n`)
    const { first, later } = await bundlers[name]!(project.folder, 'chunks-entry.js')
    expect(first.includes(ofForward)).toBe(true)
    expect(first.includes(ofBackward)).toBe(false)
    expect(later.includes(ofBackward)).toBe(true)
  })

  test.skipIf(!gpu)('is in a bundle of one file', async () => {
    // Planned and written, but not compiled, which takes its time.
    project.write(
      'one-file-entry.js',
      `import { createFlashAttention } from '@attn/webgpu-flash'
const flash = await createFlashAttention({ training: true })
const plan = flash.plan({ heads: 1, queryLength: 4, headDim: 4, training: true })
if (plan.backwardCode.length === 0) process.exit(3)
flash.destroy()
`,
    )
    const file = await bundleInOneFile(project.folder, 'one-file-entry.js')
    expect(() => runInProject(process.execPath, [file])).not.toThrow()
  })
})

test('the attn command starts', () => {
  const command = join(project.folder, 'node_modules/.bin/attn')
  expect(runInProject(command, ['--help'])).toContain('attn')
})
