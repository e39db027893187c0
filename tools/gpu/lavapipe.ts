// A software Vulkan device that can do what SwiftShader cannot: lavapipe of Mesa 26.1 or newer has
// float16 arithmetic, subgroups of 8, 1,024 invocations and subgroup matrices. Debian's next release
// carries it, with a C library newer than the one here; so driver and library are unpacked into a
// folder of their own, beside a copy of Node whose loader and library path point there. Nothing else
// on the machine changes: programs that this Node starts find the system's libraries.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { unpackDebianPackages } from './debian-packages.ts'
import { withoutUnreachableCode } from './driver-passes.ts'
import { probeAdapter } from './probe.ts'
import type { NodeOnDevice } from './probe.ts'

const release = 'forky'
const packages = ['mesa-vulkan-drivers', 'libvulkan1', 'libstdc++6', 'patchelf']
/** Counts the ways in which the folder was laid out. */
const recipe = 2
const driver = 'libvulkan_lvp.so'
const loader = 'ld-linux-x86-64.so.2'
const wanted = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix']

/**
 * The Node for lavapipe, made on first use (67 MB are downloaded) and kept in the user's cache.
 *
 * @throws Error with the reason where this machine cannot have it: another system than Debian (x64),
 *   no network, or a driver that does not work.
 */
export function prepareLavapipe(environment: NodeJS.ProcessEnv = process.env): NodeOnDevice {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('lavapipe needs Linux on x64')
  }
  const cache = join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'attn')
  const folder = join(cache, `lavapipe-${release}-${recipe}-node-${process.versions.node}`)
  if (!existsSync(join(folder, 'node'))) {
    mkdirSync(cache, { recursive: true })
    console.error('lavapipe: unpacking the driver (67 MB to download, once)')
    make(cache, folder)
  }
  return nodeIn(folder)
}

const nodeIn = (folder: string): NodeOnDevice => ({
  node: join(folder, 'node'),
  environment: { VK_DRIVER_FILES: join(folder, 'lavapipe.json') },
})

/** Makes the folder under a name of its own, tries it, and gives it the name that all look for. */
function make(cache: string, folder: string): void {
  const draft = mkdtempSync(join(cache, 'lavapipe-'))
  try {
    const root = unpackDebianPackages({ release, packages }, draft)
    const libraries = layOut(root, draft)
    copyNode(libraries, join(root, 'usr/bin/patchelf'), draft)
    rmSync(root, { recursive: true })
    console.error(`lavapipe: ready, ${tryOut(nodeIn(draft))}`)
    publish(draft, folder)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    throw error
  }
}

/** What the adapter is; throws where it is not as capable as the tests want it. */
function tryOut(nodeOnDevice: NodeOnDevice): string {
  const adapter = probeAdapter(nodeOnDevice)
  if (adapter === undefined) throw new Error('the unpacked driver is not found by WebGPU')
  const missing = wanted.filter((feature) => !adapter.features.includes(feature))
  if (missing.length === 0) return adapter.description
  throw new Error(`${adapter.description} has no ${missing.join(', ')}`)
}

/** Moves the libraries out of what was unpacked, but for the drivers of real GPUs. */
function layOut(root: string, folder: string): string {
  const libraries = join(folder, 'libraries')
  renameSync(join(root, 'usr/lib/x86_64-linux-gnu'), libraries)
  for (const name of readdirSync(libraries)) {
    const other = name.startsWith('libvulkan_') && name !== driver
    if (other || !name.includes('.so')) rmSync(join(libraries, name), { recursive: true })
  }
  const [description] = globSync(join(root, 'usr/share/vulkan/icd.d/lvp_icd*.json'))
  if (description === undefined) throw new Error('the packages hold no description of lavapipe')
  const content = JSON.parse(readFileSync(description, 'utf8')) as { ICD: object }
  const ICD = { ...content.ICD, library_path: `./${basename(libraries)}/${driver}` }
  writeFileSync(join(folder, 'lavapipe.json'), JSON.stringify({ ...content, ICD }, undefined, 2))
  const whole = join(libraries, driver)
  writeFileSync(whole, withoutUnreachableCode(readFileSync(whole)))
  return libraries
}

/** A copy of this Node that loads all its libraries from the folder. */
function copyNode(libraries: string, patchelf: string, folder: string): void {
  const patch = (...parameters: string[]): void => {
    // patchelf was built for the new C library as well.
    const start = ['--library-path', libraries, patchelf, ...parameters]
    execFileSync(join(libraries, loader), start, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  // A library with a path of its own would not be asked to look where Node looks.
  for (const name of globSync(join(libraries, 'libLLVM*.so*'))) patch('--remove-rpath', name)
  const node = join(folder, 'node')
  copyFileSync(process.execPath, node)
  chmodSync(node, 0o755)
  // In this order: with the loader first, patchelf 0.18 makes a Node that does not start.
  patch('--force-rpath', '--set-rpath', libraries, node)
  patch('--set-interpreter', join(libraries, loader), node)
}

function publish(draft: string, folder: string): void {
  try {
    symlinkSync(basename(draft), folder)
  } catch (error) {
    // Another process was first; its copy is the same.
    if (!existsSync(join(folder, 'node'))) throw error
    rmSync(draft, { recursive: true })
  }
}
