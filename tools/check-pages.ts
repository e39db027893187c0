// The built site in a browser: its pages on a desktop and on a phone, light and dark. Nothing shifts as they load, nothing
// sticks out, the console is quiet, axe has no complaint, and no page takes more than it needs to begin.
import { createReadStream, existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { chromium, type Page } from 'playwright'
import { findChromium } from './testing/find-chromium.ts'

const site = fileURLToPath(new URL('../docs/.vitepress/dist', import.meta.url))
/** All pages but those of single names of the API, of which each package's index stands for the rest. */
const pages = globSync(
  ['*.html', 'guide/*.html', 'errors/*.html', 'api/index.html', 'api/*/index.html'],
  {
    cwd: site,
    exclude: ['404.html'],
  },
)
  .map((file) => `/${file.replace(/(index)?\.html$/, '')}`)
  .toSorted()
const screens = [
  { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  { viewport: { width: 390, height: 844 }, colorScheme: 'dark' },
] as const
/** What counts as good. */
const mostShift = 0.1
/** Scripts and styles of a page, compressed, without those of the pages that it links to, which come when it is idle. */
const mostBytes = 200_000
/** Pages full of pictures may take more. */
const heavy = new Set(['/gallery', '/guide/trained-patterns', '/lecture'])
const mostBytesOfHeavy = 260_000

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
}

/** The site as it is on a server that knows addresses without `.html`. */
function serve() {
  return createServer((request, response) => {
    const path = join(site, new URL(request.url!, 'http://localhost').pathname)
    const file = [path, `${path}.html`, join(path, 'index.html')].find(
      (each) => existsSync(each) && statSync(each).isFile(),
    )
    response.writeHead(file ? 200 : 404, {
      'content-type': types[extname(file ?? '')] ?? 'application/octet-stream',
    })
    if (file) createReadStream(file).pipe(response)
    else response.end()
  })
}

const axe = readFileSync(
  createRequire(new URL('../apps/demo/package.json', import.meta.url)).resolve('axe-core'),
  'utf8',
)

/** Adds up the shifts of a page from its beginning; runs in the page. */
const watchShifts = `
  window.shifted = 0
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.shifted += value
  }).observe({ type: 'layout-shift', buffered: true })
`

async function faultsOf(page: Page, address: string, origin: string): Promise<string[]> {
  const faults: string[] = []
  let bytes = 0
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`)
  })
  page.on('response', (response) => {
    if (/prefetch/.test(response.request().headers()['sec-purpose'] ?? '')) return
    const { pathname } = new URL(response.url())
    const file = join(site, pathname)
    if (/\.(js|css)$/.test(pathname) && existsSync(file))
      bytes += gzipSync(readFileSync(file)).length
  })
  await page.addInitScript(watchShifts)
  await page.goto(`${origin}${address}`, { waitUntil: 'networkidle', timeout: 120_000 })
  const [shift, beyond] = await page.evaluate(
    () =>
      [
        (window as unknown as { shifted: number }).shifted,
        document.documentElement.scrollWidth - window.innerWidth,
      ] as const,
  )
  if (shift >= mostShift) faults.push(`shifts by ${shift.toFixed(3)} as it loads`)
  if (beyond > 0) faults.push(`reaches ${beyond} pixels past the side`)
  if (bytes > (heavy.has(address) ? mostBytesOfHeavy : mostBytes)) {
    faults.push(`loads ${bytes} bytes of scripts`)
  }
  await page.evaluate(axe)
  const violations = await page.evaluate(async () => {
    const { axe: checker } = window as unknown as {
      axe: {
        run: (
          root: Document,
          options: object,
        ) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>
      }
    }
    // The theme's search button says more than its name does.
    const rules = { 'label-content-name-mismatch': { enabled: false } }
    const found = await checker.run(document, { rules })
    return found.violations.map(({ id, nodes }) => `axe, ${id}: ${nodes[0]!.html.slice(0, 160)}`)
  })
  console.log(`${address}: shift ${shift.toFixed(4)}, ${Math.round(bytes / 1000)} kB`)
  return [...faults, ...violations]
}

const executablePath = findChromium()
if (executablePath === undefined) throw new Error('check-pages: found no Chromium')
const server = serve().listen(0)
const origin = `http://localhost:${(server.address() as AddressInfo).port}`
const browser = await chromium.launch({ executablePath, args: ['--headless=new', '--no-sandbox'] })
let failed = false
for (const screen of screens) {
  const context = await browser.newContext(screen)
  for (const address of pages) {
    const page = await context.newPage()
    for (const fault of await faultsOf(page, address, origin)) {
      failed = true
      console.error(`${address}, ${screen.viewport.width} pixels, ${screen.colorScheme}: ${fault}`)
    }
    await page.close()
  }
  await context.close()
}
await browser.close()
server.close()
process.exitCode = failed ? 1 : 0
