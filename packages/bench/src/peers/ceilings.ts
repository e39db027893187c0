// What a device does at best through WebGPU itself, to hold attention's figures against: how fast it
// copies, and how fast it multiplies matrices with the kernel that our standard attention uses.
import type { DType } from '@attn/core'
import { withErrorScopes } from '../device/error-scope.ts'
import { cachedPipeline } from '../device/pipeline-cache.ts'
import { fillNormal } from '../inputs/fill-normal.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import type { EncodeWork } from '../measure/gpu-stopwatch.ts'
import { measure } from '../measure/measure.ts'
import { matrixProductTile, matrixProductWgsl } from './standard-webgpu/matrix-product.wgsl.ts'
import { bytesOf } from './standard-webgpu/storage.wgsl.ts'

/** Measured peaks of one device under one set of flags. */
export interface Ceilings {
  /** Bytes read and written per second by a copying kernel, in units of 10^9. */
  readonly copyGigabytes: number
  /** Operations per second of a square matrix product, in units of 10^12; sums are float32. */
  readonly productTeraflops: Readonly<Partial<Record<DType, number>>>
  /** Rows and columns of that product. */
  readonly productSize: number
}

const copyThreads = 256
const copyWgsl = /* wgsl */ `@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4f>;

@compute @workgroup_size(${copyThreads})
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let count = arrayLength(&copied);
  for (var index = id.x; index < count; index += groups.x * ${copyThreads}u) {
    copied[index] = source[index];
  }
}
`

/**
 * Measures them; takes a second or two on a GPU.
 *
 * @param dtypes - Element types to multiply.
 * @param small - For devices in software: less work, and a tile that compiles sooner.
 */
export async function measureCeilings(
  device: GPUDevice,
  dtypes: readonly DType[],
  small: boolean,
): Promise<Ceilings> {
  const largest = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize)
  const copyBytes = Math.min(small ? 2 ** 22 : 2 ** 29, largest)
  const productSize = small ? 128 : 4096
  const productTeraflops: Partial<Record<DType, number>> = {}
  for (const dtype of dtypes) {
    const milliseconds = await timeProduct(device, productSize, dtype, small)
    productTeraflops[dtype] = (2 * productSize ** 3) / milliseconds / 1e9
  }
  const copyMilliseconds = await timeCopy(device, copyBytes, small)
  return { copyGigabytes: (2 * copyBytes) / copyMilliseconds / 1e6, productTeraflops, productSize }
}

function timeCopy(device: GPUDevice, bytes: number, small: boolean): Promise<number> {
  const { STORAGE } = GPUBufferUsage
  const buffers = [STORAGE, STORAGE].map((usage) => device.createBuffer({ size: bytes, usage }))
  const groups = Math.min(Math.ceil(bytes / 16 / copyThreads), small ? 64 : 16384)
  return timeKernel(device, 'copy', copyWgsl, buffers, [groups, 1, 1], small)
}

async function timeProduct(
  device: GPUDevice,
  size: number,
  dtype: DType,
  small: boolean,
): Promise<number> {
  const { STORAGE, UNIFORM, COPY_DST } = GPUBufferUsage
  const matrix = (): GPUBuffer =>
    device.createBuffer({ size: size * size * bytesOf(dtype), usage: STORAGE })
  const [left, right, product] = [matrix(), matrix(), matrix()]
  // Zeros would let a GPU clock higher than any real work does.
  await fillNormal(device, left, dtype, 1)
  await fillNormal(device, right, dtype, 2)
  const words = new Uint32Array([size, size / 4, size / 4, size, 0, 0, 0, 0])
  new Float32Array(words.buffer)[7] = 1
  const shape = device.createBuffer({ size: words.byteLength, usage: UNIFORM | COPY_DST })
  device.queue.writeBuffer(shape, 0, words)
  const tile = matrixProductTile(small ? 32 : size)
  const code = matrixProductWgsl({ tile, dtype, rightTransposed: false })
  const groups = [Math.ceil(size / tile.columns), Math.ceil(size / tile.rows), 1] as const
  return timeKernel(device, 'matrix product', code, [shape, left, right, product], groups, small)
}

/** Milliseconds of one dispatch at its fastest; frees the buffers. */
async function timeKernel(
  device: GPUDevice,
  label: string,
  code: string,
  buffers: readonly GPUBuffer[],
  workgroups: readonly [number, number, number],
  small: boolean,
): Promise<number> {
  const pipeline = await cachedPipeline(device, label, code)
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  })
  const encode: EncodeWork = (encoder, timestampWrites) => {
    const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {})
    pass.setPipeline(pipeline)
    pass.setBindGroup(0, bindGroup)
    pass.dispatchWorkgroups(...workgroups)
    pass.end()
  }
  const stopwatch = createGpuStopwatch(device, encode)
  try {
    const budgetMilliseconds = small ? 200 : 1000
    // A GPU at rest takes about a second of work to reach its full clock rate.
    if (!small) await warmUp(() => stopwatch.time(20))
    const time = await withErrorScopes(device, label, () =>
      measure(stopwatch, { samples: 5, budgetMilliseconds }),
    )
    return time.minimum
  } finally {
    stopwatch.destroy()
    for (const buffer of buffers) buffer.destroy()
  }
}

const warmUpMilliseconds = 500

async function warmUp(work: () => Promise<unknown>): Promise<void> {
  const started = performance.now()
  while (performance.now() - started < warmUpMilliseconds) await work()
}
