// The site stays small: what is in every page is there a thousand times.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const most = 25_000_000
const site = fileURLToPath(new URL('.vitepress/dist', import.meta.url))
const bytes = readdirSync(site, { recursive: true, encoding: 'utf8' })
  .map((file) => statSync(join(site, file)))
  .reduce((sum, each) => sum + (each.isFile() ? each.size : 0), 0)
const size = `${(bytes / 1e6).toFixed(1)} MB`
console.log(`the site has ${size}`)
if (bytes > most) {
  console.error(`the site has ${size}, and may have ${most / 1e6} MB`)
  process.exitCode = 1
}
