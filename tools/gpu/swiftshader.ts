// A software Vulkan device for machines without a GPU: SwiftShader, as @sparticuz/chromium carries
// it. It is offered to the Vulkan loader as one more driver, so a real GPU still comes first.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync } from 'node:zlib'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const loader = 'libvulkan.so.1'
const driver = 'vk_swiftshader_icd.json'
const wanted = new Set([loader, driver, 'libvk_swiftshader.so'])

/**
 * The variables under which a process started anew finds SwiftShader where no GPU is; empty where
 * it cannot run.
 */
export function swiftShaderBesides(
  environment: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  if (!runsHere()) return {}
  const drivers = [environment['VK_ADD_DRIVER_FILES'], join(unpackSwiftShader(), driver)]
  return {
    VK_ADD_DRIVER_FILES: drivers.filter(Boolean).join(delimiter),
    ...loaderPath(environment),
  }
}

/**
 * The variables under which it finds SwiftShader and no other device.
 *
 * @throws Error where it cannot run.
 */
export function swiftShaderAlone(
  environment: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  if (!runsHere()) throw new Error('SwiftShader comes for Linux on x64 only')
  return { VK_DRIVER_FILES: join(unpackSwiftShader(), driver), ...loaderPath(environment) }
}

function runsHere(): boolean {
  return process.platform === 'linux' && process.arch === 'x64'
}

/** Where the system has no Vulkan loader, SwiftShader's. */
function loaderPath(environment: NodeJS.ProcessEnv): Record<string, string> {
  if (hasVulkanLoader(environment)) return {}
  const libraries = [environment['LD_LIBRARY_PATH'], join(unpackSwiftShader(), 'loader')]
  return { LD_LIBRARY_PATH: libraries.filter(Boolean).join(delimiter) }
}

function unpackSwiftShader(): string {
  const carrier = join(repository, 'node_modules/@sparticuz/chromium')
  const manifest = readFileSync(join(carrier, 'package.json'), 'utf8')
  const { version } = JSON.parse(manifest) as { version: string }
  const cache = join(repository, 'node_modules/.cache/attn')
  const folder = join(cache, `swiftshader-${version}`)
  if (existsSync(folder)) return folder

  mkdirSync(cache, { recursive: true })
  const draft = mkdtempSync(join(cache, 'unpacking-'))
  mkdirSync(join(draft, 'loader'))
  const archive = readFileSync(join(carrier, 'bin/swiftshader.tar.br'))
  for (const { name, content } of readTar(brotliDecompressSync(archive))) {
    if (!wanted.has(name)) continue
    // The loader lies apart, so that LD_LIBRARY_PATH brings in nothing else.
    writeFileSync(join(draft, name === loader ? 'loader' : '', name), content, { mode: 0o755 })
  }
  try {
    renameSync(draft, folder)
  } catch (error) {
    // Another process was first; its copy is the same.
    rmSync(draft, { recursive: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}

function* readTar(archive: Buffer): Generator<{ name: string; content: Buffer }> {
  const block = 512
  for (let at = 0; at + block <= archive.length;) {
    const name = archive.toString('utf8', at, at + 100).replace(/\0.*$/s, '')
    if (!name) return
    const size = Number.parseInt(archive.toString('utf8', at + 124, at + 136), 8)
    yield {
      name: name.replace(/^\.\//, ''),
      content: archive.subarray(at + block, at + block + size),
    }
    at += block + Math.ceil(size / block) * block
  }
}

function hasVulkanLoader(environment: NodeJS.ProcessEnv): boolean {
  const folders = [
    ...(environment['LD_LIBRARY_PATH'] ?? '').split(delimiter).filter(Boolean),
    '/lib/x86_64-linux-gnu',
    '/usr/lib/x86_64-linux-gnu',
    '/lib64',
    '/usr/lib64',
    '/usr/lib',
    '/usr/local/lib',
  ]
  return folders.some((folder) => existsSync(join(folder, loader)))
}
