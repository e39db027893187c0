// Pages among the examples, built by Vite and opened in Chromium.
import { join } from 'node:path'
import { chromium } from 'playwright'
import { build, preview } from 'vite'
import type { InlineConfig } from 'vite'
import { findChromium } from '../testing/find-chromium.ts'

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
  const server = await preview({ ...site, preview: { port: 0 } })
  const browser = await chromium.launch({
    executablePath: findChromium()!,
    args: [
      '--headless=new',
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      '--enable-dawn-features=disable_workgroup_init',
    ],
  })
  try {
    const page = await browser.newPage()
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
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
