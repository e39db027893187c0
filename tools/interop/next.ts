// The example of Next, in a folder of its own: with Next installed, and with the packages of this repository as
// they are published, since Next builds nothing that lies outside of its folder.
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, installPeers } from '../../packages/bench/src/peers/installed.ts'
import { packAll } from '../packed-project.ts'
import { runProgram } from '../run-program.ts'
import { repository, workspacePackages } from '../workspace.ts'
import { textOfBuiltPage } from './pages.ts'
import { installedVersion } from './workplace.ts'

const libraries: Readonly<Record<string, string>> = {
  '@types/node': '24.19.2',
  '@types/react': '19.3.3',
  next: '16.4.6',
  react: '19.3.1',
  'react-dom': '19.3.1',
  typescript: '5.9.3',
}
const own = ['@attn/core', '@attn/masks', '@attn/webgpu-flash']

/** Builds the page of an example, and what it says when it has attended. */
export async function textOfNextPage(example: string): Promise<string> {
  const folder = cacheFolder('examples-next')
  const missing = Object.entries(libraries).filter(
    ([name, version]) => installedVersion(folder, name) !== version,
  )
  if (missing.length > 0) {
    await installPeers(
      folder,
      missing.map(([name, version]) => `${name}@${version}`),
    )
  }
  const packages = workspacePackages().filter(({ name }) => own.includes(name))
  for (const [name, tarball] of packAll(join(folder, 'tarballs'), packages)) {
    const place = join(folder, 'node_modules', name)
    rmSync(place, { recursive: true, force: true })
    mkdirSync(place, { recursive: true })
    runProgram('tar', ['-xzf', tarball, '--strip-components=1', '-C', place], folder)
  }
  for (const built of ['app', 'out', '.next']) {
    rmSync(join(folder, built), { recursive: true, force: true })
  }
  cpSync(join(repository, 'examples', example), folder, { recursive: true })
  process.env['NEXT_TELEMETRY_DISABLED'] = '1'
  const next = join(folder, 'node_modules/next/dist/bin/next')
  runProgram(process.execPath, [next, 'build'], folder)
  return textOfBuiltPage({ root: folder, configFile: false, build: { outDir: 'out' } }, folder)
}
