// Where a Chromium for the browser tests is (CHROMIUM_PATH, or a usual name on the PATH), and how it is
// started for pages that use WebGPU.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const usualNames = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
]
const usualPlaces = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/** The path of a Chromium or Chrome on this machine, or undefined where there is none. */
export function findChromium(): string | undefined {
  const chosen = process.env['CHROMIUM_PATH']
  if (chosen) return existsSync(chosen) ? chosen : undefined
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const candidates = usualNames.flatMap((name) => folders.map((folder) => join(folder, name)))
  return [...candidates, ...usualPlaces].find((path) => existsSync(path))
}

/** How Playwright starts the Chromium at a path. */
export function chromiumWithGpu(executablePath: string): {
  readonly executablePath: string
  readonly args: string[]
  readonly env: Record<string, string>
} {
  // The driver that this process was started with is none of Chromium's, which brings its own.
  const own = Object.entries(process.env).filter(
    (each): each is [string, string] => each[1] !== undefined && !each[0].startsWith('VK_'),
  )
  return {
    executablePath,
    args: [
      '--headless=new',
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      // As in acquire-gpu.ts: SwiftShader compiles the zeros very slowly.
      '--enable-dawn-features=disable_workgroup_init',
    ],
    env: Object.fromEntries(own),
  }
}
