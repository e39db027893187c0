// Errors that a program may want to tell apart, by the code they carry: what causes each, what helps, and how
// it looks in a program. The pages of the documentation are made of this table.

/** The page of one code. */
export interface ErrorPage {
  readonly code: string
  /** The class that carries it. */
  readonly type: string
  /** In a few words. */
  readonly title: string
  readonly cause: string
  readonly remedies: readonly string[]
  /** TypeScript that shows what to do. */
  readonly example: string
}

/** All of them. */
export const errorPages: readonly ErrorPage[] = [
  {
    code: 'ATTN_NO_WEBGPU',
    type: 'UnsupportedError',
    title: 'There is no WebGPU here',
    cause:
      '`createFlashAttention` found neither `navigator.gpu` nor, in Node, the package `webgpu`. Browsers have WebGPU in secure contexts only: https, or localhost.',
    remedies: [
      'Serve the page by https, or from localhost while you develop.',
      'Use a browser that has WebGPU: Chrome and Edge 113, Safari 26, Firefox 141 or later.',
      'In Node: `npm install webgpu`.',
      'Compute on the CPU instead: `flashAttention` of `@attn/core` takes the same tensors and options.',
    ],
    example: `import { flashAttention } from '@attn/core'
import { createFlashAttention, UnsupportedError } from '@attn/webgpu-flash'

const flash = await createFlashAttention().catch((error) => {
  if (error instanceof UnsupportedError && error.code === 'ATTN_NO_WEBGPU') return undefined
  throw error
})
const attend = flash?.attention ?? flashAttention`,
  },
  {
    code: 'ATTN_NO_ADAPTER',
    type: 'UnsupportedError',
    title: 'WebGPU found no GPU',
    cause:
      'WebGPU is there, but `requestAdapter` gave none: the driver is too old or on the blocklist, the GPU is switched off in the browser, or the machine has none.',
    remedies: [
      'Update the graphics driver; `chrome://gpu` tells what the browser thinks of it.',
      'On Linux, Chrome may need `--enable-unsafe-webgpu`, and Vulkan drivers.',
      'Use a software adapter, such as SwiftShader or lavapipe, for tests.',
      'Compute on the CPU: `flashAttention` of `@attn/core`.',
    ],
    example: `import { createFlashAttention } from '@attn/webgpu-flash'

// What the machine has, and what a missing GPU may be due to: npx attn doctor
const flash = await createFlashAttention({ powerPreference: 'low-power' })`,
  },
  {
    code: 'ATTN_WEBGPU_PACKAGE',
    type: 'UnsupportedError',
    title: 'The package webgpu does not load',
    cause:
      'In Node, the package `webgpu` is installed, but its native library does not load: another processor or system than it has a build for, or a missing system library. The error behind it is in `cause`.',
    remedies: [
      'Read `error.cause`: it names the library.',
      'On Linux, install `libvulkan1`; in Alpine images, use a Debian image instead.',
      'Install the package again on the machine it runs on; do not copy node_modules from another system.',
    ],
    example: `import { createFlashAttention, UnsupportedError } from '@attn/webgpu-flash'

try {
  await createFlashAttention()
} catch (error) {
  if (error instanceof UnsupportedError) console.error(error.code, error.cause)
}`,
  },
  {
    code: 'ATTN_UNSUPPORTED',
    type: 'UnsupportedError',
    title: 'This device cannot do that',
    cause:
      'A size or a feature is beyond what the device offers: a buffer larger than it binds, a head wider than its workgroups hold, gradients of tables that do not fit. The message names the limit.',
    remedies: [
      'The message says what would help. Most often: fewer sequences or heads in a call, or float16.',
      'Let attn request the device: it asks for every limit the adapter has. A device of your own has the defaults unless you ask for more.',
      '`flash.diagnose()` and `npx attn doctor` list the limits and what they allow.',
    ],
    example: `const adapter = await navigator.gpu.requestAdapter()
const { maxBufferSize, maxStorageBufferBindingSize } = adapter!.limits
const device = adapter!.requestDevice({ requiredLimits: { maxBufferSize, maxStorageBufferBindingSize } })
const flash = await createFlashAttention({ device })`,
  },
  {
    code: 'ATTN_DEVICE_LOST',
    type: 'DeviceLostError',
    title: 'The device is gone',
    cause:
      'The driver was reset, the page was long in the background, a dispatch took too long for the browser, or `destroy` was called. All buffers of that device are gone with it.',
    remedies: [
      'Make a new library and new plans, and upload what you need again.',
      'Where it happens again and again: shorter sequences in a call; other programs may hold the GPU.',
    ],
    example: `import { DeviceLostError } from '@attn/webgpu-flash'

try {
  await flash.finished()
} catch (error) {
  if (!(error instanceof DeviceLostError)) throw error
  flash = await createFlashAttention()
}`,
  },
  {
    code: 'ATTN_OUT_OF_MEMORY',
    type: 'GpuOutOfMemoryError',
    title: 'The GPU has no memory left',
    cause:
      'A buffer was asked for that the GPU has no room for: tensors that nobody released, or a cache that grew.',
    remedies: [
      '`flash.release(...)` what is no longer needed; `flash.memory` counts what the library holds.',
      'Keep keys and values in float16, or as a ring of the newest tokens.',
      'Attend to fewer sequences at once: attention itself needs no memory that grows with the square.',
    ],
    example: `console.log(flash.memory.allocatedBytes, flash.memory.peakBytes)
flash.release(output, logSumExp)`,
  },
  {
    code: 'ATTN_VALIDATION',
    type: 'GpuValidationError',
    title: 'WebGPU refused a command',
    cause:
      'A buffer without usage STORAGE, one that was destroyed, or one of another device. With tensors that attn made it is a fault of attn.',
    remedies: [
      'Create your buffers with `GPUBufferUsage.STORAGE`, and `COPY_SRC` where they are to be downloaded.',
      'Give attn the device that your buffers are of: `createFlashAttention({ device })`.',
      'Otherwise report it, with what `npx attn doctor --json` prints.',
    ],
    example: `const buffer = flash.device.createBuffer({
  size: bytes,
  usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
})`,
  },
  {
    code: 'ATTN_INTERNAL',
    type: 'GpuInternalError',
    title: 'The driver failed',
    cause: 'The driver could not do what is valid, such as compiling a large shader.',
    remedies: [
      'Update the graphics driver.',
      'Try a smaller tile: `flash.plan({ tile: { queries: 16, keys: 16 } })`, or a simpler mask.',
      'Report it, with what `npx attn doctor --json` prints and the text of `plan.code`.',
    ],
    example: `const plan = flash.plan(options)
await plan.compile() // rejects here, and not at the first call`,
  },
]

/** Where the page of a code is, under `/errors/`. */
export function addressOf(code: string): string {
  return code.toLowerCase().replaceAll('_', '-')
}
