// Which files a GPU run has, and how the files of one adapter are dealt to processes that take about as long.
import { globSync } from 'node:fs'
import { repository } from '../workspace.ts'

/** Not in a core: files that try no kernel which the others do not, and those of the bench package. */
export const besideTheCore = [
  'packages/bench/**',
  '**/{splitting,backward-splitting,score-change,expressions,tune,calls,gpu-calls}.test.ts',
  '**/{table-gradients,packed-sequences,rope,matrix-references,wide-heads}.test.ts',
  '**/kv-cache-{drafts,ring,pages,quantized,ragged}.test.ts',
  '**/{weights,rotate,boundary,errors,nesting,shown-keys}.test.ts',
]

/**
 * Not in a sample either: files whose kernels another adapter runs with the same bindings and limits, caches and their
 * lives, and those that take long to compile.
 */
export const besideTheSample = [
  ...besideTheCore,
  '**/{compile-memory,dropout-sinks,gpu-bias,backward-*,token-orders,weights-of-caches}.test.ts',
  '**/{random,kv-cache-lives,decode-infinities,decode-matrix,half-sums,split-products}.test.ts',
  '**/subgroup-sizes.test.ts',
]

/**
 * About how many seconds of processor time files that take long take on lavapipe where nothing is compiled yet: measured
 * beside other work, which is good enough for a balance and for nothing else.
 */
export const seconds: Readonly<Record<string, number>> = {
  'webgpu-flash/backward-matrices': 66,
  'webgpu-flash/backward': 59,
  'webgpu-flash/random': 46,
  'webgpu-flash/forward': 25,
  'webgpu-flash/decode-integers': 22,
  'webgpu-flash/decode': 22,
  'webgpu-flash/decode-matrix': 19,
  'webgpu-flash/token-orders': 18,
  'webgpu-flash/backward-orders': 17,
  'webgpu-flash/half-sums': 15,
  'webgpu-flash/backward-splitting': 14,
  'webgpu-flash/kv-cache-lives': 13,
  'webgpu-flash/table-gradients': 12,
  'webgpu-flash/backward-totals': 12,
  'webgpu-flash/split-products': 8,
  'bench/sparse': 8,
  'webgpu-flash/kv-cache-quantized': 8,
  'webgpu-flash/decode-infinities': 7,
  'webgpu-flash/dropout-sinks': 7,
  'bench/train-attention': 7,
  'webgpu-flash/score-change': 6,
  'webgpu-flash/weights-of-caches': 6,
  'webgpu-flash/weights': 6,
  'webgpu-flash/backward-teams': 5,
  'webgpu-flash/kv-cache-pages': 5,
  'bench/lecture-experiments': 5,
  'webgpu-flash/splitting': 4,
  'webgpu-flash/float16-variants': 4,
}
const usual = 1

/** The files of the GPU project in the repository, all but those that patterns name. */
export const gpuFiles = (without: readonly string[] = []): string[] =>
  globSync('packages/*/test-gpu/**/*.test.ts', { cwd: repository, exclude: without }).toSorted()

/** Package and test of `packages/PACKAGE/test-gpu/TEST.test.ts`. */
export const shortName = (file: string): string =>
  file.replace(/^packages\/(.*)\/test-gpu\/(.*)\.test\.ts$/, '$1/$2')

/** About how long a file takes, in seconds. */
export const timeOf = (file: string): number => seconds[shortName(file)] ?? usual

/** Deals files to so many processes: the longest first, each to the one that has least. */
export function dealt(files: readonly string[], processes: number): string[][] {
  const shares = Array.from({ length: processes }, () => ({ files: [] as string[], time: 0 }))
  for (const file of files.toSorted((one, other) => timeOf(other) - timeOf(one))) {
    const least = shares.reduce((best, each) => (each.time < best.time ? each : best))
    least.files.push(file)
    least.time += timeOf(file)
  }
  return shares.map((share) => share.files)
}
