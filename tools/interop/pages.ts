// Pages among the examples, built by Vite and opened in Chromium.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium } from 'playwright'
import { build, preview } from 'vite'
import type { InlineConfig } from 'vite'
import { chromiumWithGpu, findChromium } from '../testing/find-chromium.ts'

/** What a page says when it has attended. */
export async function textOfPage(folder: string): Promise<string> {
  const site: InlineConfig = {
    root: folder,
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: ['attn:source', 'module', 'browser', 'import', 'default'] },
    worker: { format: 'es' },
    build: { target: 'es2023', outDir: join(folder, 'dist') },
  }
  await build(site)
  return textOfBuiltPage(site, folder)
}

/**
 * What a page says that was built.
 *
 * @param folder - That of the example, two below what is installed.
 */
export async function textOfBuiltPage(site: InlineConfig, folder: string): Promise<string> {
  const server = await preview({ ...site, preview: { port: 0 } })
  const browser = await chromium.launch(chromiumWithGpu(findChromium()!))
  try {
    const page = await browser.newPage()
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    // onnxruntime-web loads its WebAssembly from there, of a version that transformers.js names.
    await page.route('https://cdn.jsdelivr.net/npm/onnxruntime-web@*/dist/*', async (route) => {
      const file = new URL(route.request().url()).pathname.split('/').at(-1)!
      await route.fulfill({ path: join(runtimeOfTransformers(folder), 'dist', file) })
    })
    await page.goto(server.resolvedUrls!.local[0]!)
    const output = page.locator('#output')
    await output
      .filter({ hasText: 'difference' })
      .waitFor({ timeout: 120_000 })
      .catch(() => {
        throw new Error(`the page says nothing: ${errors.join('; ')}`)
      })
    return (await output.textContent()) ?? ''
  } finally {
    await browser.close()
    await server.close()
  }
}

/** The folder of onnxruntime-web as transformers.js sees it. */
function runtimeOfTransformers(folder: string): string {
  const place = join(folder, '../../node_modules/@huggingface/transformers/package.json')
  const file = createRequire(place).resolve('onnxruntime-web')
  return file.slice(0, file.lastIndexOf('onnxruntime-web')) + 'onnxruntime-web'
}
