// Runs the bundle of a packed project: in Chromium where there is one, otherwise in this process.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright'
import { build, preview } from 'vite'
import { chromiumWithGpu, findChromium } from '../testing/find-chromium.ts'

export interface Bundle {
  /** Runs one of the examples; rejects with the error that it throws. */
  run(name: string): Promise<void>
  close(): Promise<void>
}

interface EntryModule {
  readonly examples: Readonly<Record<string, () => Promise<unknown>>>
}

/** Bundles `main.ts`, which exports its `examples`, as an application's build would. */
export async function bundleExamples(folder: string): Promise<Bundle> {
  const site = {
    root: folder,
    configFile: false,
    logLevel: 'error',
    build: {
      target: 'es2023',
      modulePreload: false,
      rolldownOptions: {
        input: join(folder, 'main.ts'),
        preserveEntrySignatures: 'strict',
        output: { entryFileNames: 'main.js' },
      },
    },
  } as const
  await build(site)
  const executablePath = findChromium()
  return executablePath === undefined
    ? runHere(join(folder, 'dist/main.js'))
    : runInPage(executablePath, site)
}

async function runHere(file: string): Promise<Bundle> {
  const url = pathToFileURL(file).href
  const { examples } = (await import(/* @vite-ignore */ url)) as EntryModule
  return {
    run: async (name) => void (await examples[name]!()),
    close: async () => undefined,
  }
}

async function runInPage(
  executablePath: string,
  site: Parameters<typeof preview>[0],
): Promise<Bundle> {
  const server = await preview({ ...site, preview: { port: 0 } })
  const browser = await chromium.launch(chromiumWithGpu(executablePath))
  const page = await browser.newPage()
  const response = await page.goto(`${server.resolvedUrls!.local[0]!}index.html`)
  if (!response?.ok()) throw new Error(`the page of the bundle answers ${response?.status()}`)
  return {
    // Text, as Vitest would rewrite the import of a function.
    run: async (name) => {
      const example = JSON.stringify(name)
      await page.evaluate(
        `import('/main.js').then((entry) => entry.examples[${example}]()).then(() => {})`,
      )
    },
    close: async () => {
      await browser.close()
      await server.close()
    },
  }
}
