// node tools/bootstrap.mjs SCRIPT [ARGUMENTS]: installs the workspace with the pinned pnpm, then
// runs a script of the root package.json with it. Plain JavaScript on Node's own modules, as this
// is all that a fresh clone has; the scripts themselves run on the Node that pnpm installs.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

/** @param {string[]} parameters */
function pnpm(parameters) {
  const { status, error } = spawnSync('npx', ['--yes', manifest.packageManager, ...parameters], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
  })
  if (error) console.error(`bootstrap: npx did not start: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

pnpm(['install', '--frozen-lockfile', '--reporter=append-only'])
pnpm(['run', '--silent', ...process.argv.slice(2)])
