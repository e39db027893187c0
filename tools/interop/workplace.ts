// A folder outside the repository in which the examples run: with the libraries they meet, which are heavy and
// in no manifest here, and with the packages of this repository as they are.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { cacheFolder, installPeers } from '../../packages/bench/src/peers/installed.ts'
import { repository, workspacePackages } from '../workspace.ts'
import { writeModels } from './onnx-models.ts'

/** What the examples are run with, pinned: an example is a statement about both sides. */
export const libraries: Readonly<Record<string, string>> = {
  '@huggingface/transformers': '4.3.2',
  '@jax-js/jax': '0.1.25',
  '@tensorflow/tfjs-backend-webgpu': '4.22.0',
  '@tensorflow/tfjs-core': '4.22.0',
  bun: '1.4.5',
  deno: '2.9.6',
  'onnxruntime-web': '1.30.0',
  typegpu: '0.12.5',
}

/** Makes the folder, installing what is missing; later runs find it. */
export async function prepareWorkplace(): Promise<string> {
  const folder = cacheFolder('examples')
  const missing = Object.entries(libraries)
    .filter(([name, version]) => installedVersion(folder, name) !== version)
    .map(([name, version]) => `${name}@${version}`)
  if (missing.length > 0) await installPeers(folder, missing)
  const manifest = { private: true, type: 'module', dependencies: libraries }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const linked: Record<string, string> = Object.fromEntries(
    workspacePackages().map(({ name, folder: own }) => [name, join(repository, own)]),
  )
  for (const name of ['webgpu', '@webgpu/types', '@types/node']) {
    linked[name] = join(repository, 'node_modules', name)
  }
  for (const [name, target] of Object.entries(linked)) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    rmSync(link, { recursive: true, force: true })
    symlinkSync(target, link, 'junction')
  }
  for (const part of ['examples', 'tools/interop/page.mjs']) {
    const copy = join(folder, part.split('/').at(-1)!)
    rmSync(copy, { recursive: true, force: true })
    cpSync(join(repository, part), copy, { recursive: true })
  }
  // What another checkout left there names its paths; builds of pages would follow it.
  rmSync(join(folder, 'tsconfig.json'), { force: true })
  writeModels(folder)
  return folder
}

/** The version of a package that is installed in a folder. */
export function installedVersion(folder: string, name: string): string | undefined {
  const manifest = join(folder, 'node_modules', name, 'package.json')
  if (!existsSync(manifest)) return undefined
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string }).version
}
