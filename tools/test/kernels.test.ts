// The list of kernels, and what counts as one of them having been executed.
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  coverageProblems,
  missedHere,
  observedKernels,
  plannedKernels,
} from '../kernels/coverage.ts'
import { kernelNames, kernelOf } from '../kernels/kernel-of.ts'
import { observeKernels } from '../kernels/observe.ts'
import { readRepositoryFile, repository } from '../workspace.ts'

const package_ = 'packages/webgpu-flash'
const snapshots = globSync('test/__wgsl__/*.wgsl', { cwd: join(repository, package_) })

test('there is one kernel for each file of kernels', () => {
  const files = globSync('src/kernels/**/*.wgsl.ts', { cwd: join(repository, package_) })
  const names = files.map((file) => basename(file, '.wgsl.ts')).toSorted()
  expect(kernelNames).toEqual(names)
})

test.each(snapshots)('%s is known by its text', (file) => {
  const kernel = kernelOf(readRepositoryFile(`${package_}/${file}`))
  const [name] = kernel!.split(', ')
  expect(basename(file).startsWith(name!)).toBe(true)
})

test('variants are told apart, and other shaders are none', () => {
  const variant = (name: string): string =>
    kernelOf(readRepositoryFile(`${package_}/test/__wgsl__/${name}.wgsl`))!
  expect(variant('forward-plain-float32')).toBe('forward, float32')
  expect(variant('forward-native-float16')).toBe('forward, float16')
  expect(variant('forward-unpacked-float16-odd-dims')).toBe('forward, float16 in words')
  expect(variant('forward-matrix-causal')).toMatch(
    /^forward-matrix, float16, matrices of f16 with sums of f\d\d/,
  )
  expect(variant('decode-by-shuffles-float16')).toBe('decode, float16 in words, shuffles')
  expect(variant('backward-query-teams-causal')).toBe('backward-query, float32, two teams')
  expect(kernelOf('@compute @workgroup_size(64) fn main() {}')).toBeUndefined()
})

test('a kernel counts where it is dispatched, not where it is compiled', async () => {
  class GPUDevice {
    createShaderModule({ code }: { code: string }) {
      return { code }
    }
    createComputePipeline() {
      return {}
    }
    async createComputePipelineAsync() {
      return Promise.resolve({})
    }
  }
  class GPUComputePassEncoder {
    dispatched = 0
    setPipeline() {}
    dispatchWorkgroups(x: number) {
      this.dispatched += x
    }
    dispatchWorkgroupsIndirect() {
      this.dispatched++
    }
  }
  const classes = { GPUDevice, GPUComputePassEncoder } as unknown
  const observer = observeKernels(classes as Parameters<typeof observeKernels>[0])
  const device = new GPUDevice() as unknown as GPUDevice_
  const pass = new GPUComputePassEncoder()
  const pipeline = async (name: string) => {
    const code = readRepositoryFile(`${package_}/test/__wgsl__/${name}.wgsl`)
    const module = device.createShaderModule({ code })
    return device.createComputePipelineAsync({ layout: 'auto', compute: { module } })
  }
  await pipeline('decode-merge')
  const watched = pass as unknown as GPUComputePassEncoder_
  watched.setPipeline(await pipeline('backward-rows'))
  watched.dispatchWorkgroups(3)
  watched.dispatchWorkgroups(4)
  expect([...observer.take()]).toEqual([['backward-rows, float32', 2]])
  expect([...observer.take()]).toEqual([])
  expect(pass.dispatched).toBe(7)
})

type GPUDevice_ = globalThis.GPUDevice
type GPUComputePassEncoder_ = globalThis.GPUComputePassEncoder

describe('what is missing', () => {
  test('is what an adapter here could have executed, whoever else did', () => {
    const plans = new Map([
      ['forward, float32', ['defaults', 'apple-m']],
      ['decode, float16', ['lavapipe']],
      ['rotate, float16', ['apple-m']],
    ])
    const here = new Map([
      ['swiftshader', new Map([['decode, float16', 1]])],
      ['lavapipe', new Map([['decode, float16', 1]])],
    ])
    expect(missedHere(plans, here)).toEqual(['swiftshader can run forward, float32 and did not'])
  })

  const planned = new Map([
    ['forward, float32', ['defaults']],
    ['forward, float16', ['nvidia', 'lavapipe']],
  ])
  const ran = (...kernels: string[]) => [
    { where: 'here', kernels: new Map(kernels.map((kernel) => [kernel, 1])) },
  ]

  test('is nothing where each variant ran somewhere', () => {
    const executed = [...ran('forward, float32'), ...ran('forward, float16')]
    expect(coverageProblems(planned, ['forward'], executed, {})).toEqual([])
  })

  test('is named with the adapters that it is planned for', () => {
    expect(coverageProblems(planned, ['forward'], ran('forward, float32'), {})).toEqual([
      'no adapter executed forward, float16 (planned for nvidia, lavapipe)',
    ])
  })

  test('is a kernel of which no plan of the corpus and no run has any variant', () => {
    const executed = ran('forward, float32', 'forward, float16')
    expect(coverageProblems(planned, ['forward', 'decode'], executed, {})).toEqual([
      'no adapter executed any decode',
    ])
  })

  test('may be excepted with a reason, as long as that is true', () => {
    const exception = { 'forward, float16': 'a reason' }
    expect(coverageProblems(planned, [], ran('forward, float32'), exception)).toEqual([])
    const both = ran('forward, float32', 'forward, float16')
    expect(coverageProblems(planned, [], both, exception)).toEqual([
      'forward, float16 is no exception: it ran',
    ])
    expect(coverageProblems(planned, [], both, { 'rotate, float32': 'a reason' })).toEqual([
      'rotate, float32 is no exception: no plan has it',
    ])
  })

  test('is found in the lines of test files', () => {
    const lines = [
      { file: 'a.test.ts', kernels: { 'forward, float32': 2 } },
      { file: 'b.test.ts', kernels: { 'forward, float32': 3, 'rotate, float32': 1 } },
    ]
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    expect([...observedKernels(text)]).toEqual([
      ['forward, float32', 5],
      ['rotate, float32', 1],
    ])
  })

  test('a text of a plan that no kernel is known by is an error', () => {
    const recording = { texts: ['fn main() {}'], bindings: [], commands: [] }
    const plans = [{ name: 'nvidia | a call', variant: 'tiled', recording }]
    expect(() => plannedKernels(plans)).toThrow(
      'nvidia | a call: a text that no kernel is known by',
    )
  })
})
