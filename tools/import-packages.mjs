// node tools/import-packages.mjs: imports every built package with the Node it runs on, as ES module and by
// `require`. Plain JavaScript on Node's own modules, since it runs on each Node that packages promise.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const packages = new URL('../packages/', import.meta.url)
const require = createRequire(import.meta.url)
for (const folder of readdirSync(packages)) {
  const { name } = JSON.parse(readFileSync(new URL(`${folder}/package.json`, packages), 'utf8'))
  const file = new URL(`${folder}/dist/index.js`, packages)
  for (const namespace of [await import(file.href), require(fileURLToPath(file))]) {
    if (Object.keys(namespace).length === 0) throw new Error(`${name} exports nothing`)
  }
  console.log(`${name} on Node ${process.version}: good`)
}
