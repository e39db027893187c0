// Every example of the documentation runs, and every `// =>` comment in it is true.
import { expect, test } from 'vitest'
import { acquireGpu } from '../testing/acquire-gpu.ts'
import { documentedFiles, snippetsOf } from './collect.ts'
import { exampleModule } from './plugin.ts'

const needsGpu = /from '@attn\/webgpu-flash'|navigator\.gpu/
const files = documentedFiles()
const snippets = files.flatMap((file) => snippetsOf(file)).filter(({ run }) => run)
const gpu = snippets.some(({ code }) => needsGpu.test(code)) ? await acquireGpu() : undefined

// Examples find a GPU by themselves, as their readers' programs do. Here it is the tests' own, which
// compiles faster on a software device (see acquire-gpu.ts).
if (gpu && !navigator.gpu) Object.defineProperty(navigator, 'gpu', { value: gpu })

test('documentation was found', () => {
  expect(files.length).toBeGreaterThan(5)
})

for (const { file, line, code } of snippets) {
  test.skipIf(needsGpu.test(code) && !gpu)(`${file}:${line}`, async () => {
    await expect(import(/* @vite-ignore */ exampleModule(file, line))).resolves.toBeDefined()
  })
}
