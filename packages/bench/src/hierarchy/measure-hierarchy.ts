// What a device's memories and processors reach: how fast it copies by size (small ones stay in its cache),
// how fast it reads workgroup memory, how fast it calculates.
import { withErrorScopes } from '../device/error-scope.ts'
import { cachedPipeline } from '../device/pipeline-cache.ts'
import { fillNormal } from '../inputs/fill-normal.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import { measure } from '../measure/measure.ts'
import { encodeSteps, kernelSteps } from '../peers/standard-webgpu/kernel-steps.ts'
import type { KernelSteps } from '../peers/standard-webgpu/kernel-steps.ts'
import {
  arithmeticWgsl,
  copyWgsl,
  operationsPerRound,
  probeThreads,
  workgroupReads,
  workgroupWgsl,
} from './probes.wgsl.ts'

/** Measured rates. */
export interface Hierarchy {
  /** Bytes read and written each second, by the size of what is copied. */
  readonly copy: readonly { readonly bytes: number; readonly bytesPerSecond: number }[]
  /** Bytes read from workgroup memory each second, by all processors together. */
  readonly workgroupBytesPerSecond: number
  /** Operations each second of multiply-adds, two each. */
  readonly operationsPerSecond: {
    readonly float32: number
    /** Where the device has `shader-f16`. */
    readonly float16?: number | undefined
  }
}

/** How much to do. */
interface Scale {
  readonly sizes: readonly number[]
  /** Bytes that one timing of copies moves, about. */
  readonly copied: number
  readonly workgroups: number
  readonly rounds: number
  readonly budgetMilliseconds: number
}

const onGpu: Scale = {
  sizes: Array.from({ length: 8 }, (_, index) => 2 ** (17 + 2 * index)), // 128 KiB to 2 GiB.
  copied: 2 ** 32,
  workgroups: 4096,
  rounds: 4096,
  budgetMilliseconds: 150,
}
const inSoftware: Scale = {
  sizes: Array.from({ length: 6 }, (_, index) => 2 ** (14 + 2 * index)), // 16 KiB to 16 MiB.
  copied: 2 ** 24,
  workgroups: 16,
  rounds: 128,
  budgetMilliseconds: 150,
}

/** Measures them; takes some seconds. */
export async function measureHierarchy(
  device: GPUDevice,
  software: boolean,
  onStep: (label: string) => void = () => {},
): Promise<Hierarchy> {
  const scale = software ? inSoftware : onGpu
  const { workgroups, rounds } = scale
  const largest = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize)
  // A GPU at rest is slow to begin with.
  if (!software) await timeCopy(device, 2 ** 27, { ...scale, budgetMilliseconds: 500 })
  const copy: { bytes: number; bytesPerSecond: number }[] = []
  for (const bytes of scale.sizes.filter((size) => size <= largest)) {
    onStep(`copying ${bytes} bytes`)
    copy.push({ bytes, bytesPerSecond: await timeCopy(device, bytes, scale) })
  }
  const perRound = workgroups * probeThreads
  onStep('workgroup memory')
  const workgroupSeconds = await timeSums(device, workgroupWgsl, scale)
  const arithmetic = async (type: 'f32' | 'f16'): Promise<number> => {
    onStep(`arithmetic, ${type}`)
    const seconds = await timeSums(device, arithmeticWgsl(type), scale)
    return (perRound * rounds * operationsPerRound) / seconds
  }
  return {
    copy,
    workgroupBytesPerSecond: (perRound * rounds * workgroupReads * 16) / workgroupSeconds,
    operationsPerSecond: {
      float32: await arithmetic('f32'),
      ...(device.features.has('shader-f16') ? { float16: await arithmetic('f16') } : {}),
    },
  }
}

/** Bytes read and written a second. */
async function timeCopy(device: GPUDevice, bytes: number, scale: Scale): Promise<number> {
  const steps = kernelSteps(device)
  const { STORAGE } = GPUBufferUsage
  const source = await withErrorScopes(device, 'copy', async () =>
    steps.own('source', bytes, STORAGE),
  )
  const copied = await withErrorScopes(device, 'copy', async () =>
    steps.own('copied', bytes, STORAGE),
  )
  await fillNormal(device, source, 'float32', 1)
  const rounds = Math.max(1, Math.round(scale.copied / (2 * bytes)))
  const groups = Math.min(Math.ceil(bytes / 16 / probeThreads), scale.workgroups * 4)
  const seconds = await timeWork(device, steps, copyWgsl, [source, copied], rounds, groups, scale)
  return (2 * bytes * rounds) / seconds
}

function timeSums(device: GPUDevice, code: string, scale: Scale): Promise<number> {
  const { rounds, workgroups } = scale
  const steps = kernelSteps(device)
  const sums = steps.own('sums', workgroups * probeThreads * 16, GPUBufferUsage.STORAGE)
  return timeWork(device, steps, code, [sums], rounds, workgroups, scale)
}

/** Seconds of one dispatch at its fastest; frees the buffers. */
async function timeWork(
  device: GPUDevice,
  steps: KernelSteps,
  code: string,
  buffers: readonly GPUBuffer[],
  rounds: number,
  workgroups: number,
  { budgetMilliseconds }: Scale,
): Promise<number> {
  const pipeline = await cachedPipeline(device, 'probe', code)
  const work = steps.uniform('work', [rounds])
  const encode = encodeSteps([steps.step(pipeline, [work, ...buffers], [workgroups, 1, 1])])
  const stopwatch = createGpuStopwatch(device, encode)
  try {
    const options = { samples: 5, sampleMilliseconds: 5, warmUps: 4, budgetMilliseconds }
    const time = await withErrorScopes(device, 'probe', () => measure(stopwatch, options))
    return time.minimum / 1000
  } finally {
    stopwatch.destroy()
    steps.destroy()
  }
}
