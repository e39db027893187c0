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
    code: 'ATTN_SHAPE',
    type: 'RangeError',
    title: 'Shapes or lengths do not fit one another',
    cause:
      'A tensor has another shape than the call or the plan needs, its strides leave its storage, or a list has another length than what it is for. The message names the tensor, the shape it must have and the one that came.',
    remedies: [
      'Axes are always `[batch, heads, length, dim]`. A tensor that lies in memory as `[batch, length, heads, dim]` is a view: `permute(x, [0, 2, 1, 3])`.',
      '`heads` must be a multiple of `kvHeads`: key and value have `kvHeads` heads, query and output `heads`.',
      "A plan is for one shape; where only the number of keys grows, plan with `lengths: 'call'`.",
    ],
    example: `import { flashAttention, permute, tensor } from '@attn/core'

// [batch 1, length 7, heads 2, dim 4] as another library has it
const x = tensor(new Float32Array(7 * 2 * 4), [1, 7, 2, 4])
const heads = permute(x, [0, 2, 1, 3]) // a view, no copy
const { output } = flashAttention(heads, heads, heads)`,
  },
  {
    code: 'ATTN_VALUE',
    type: 'RangeError',
    title: 'A value is out of its range',
    cause:
      'A number is not in the range it has to lie in (a size of 0, a dropout rate of 1, a scale of NaN), a name is not one of those there are, or two options contradict each other. The message says the rule and what came.',
    remedies: [
      'The message begins with the function and the option, and ends with the value: look at where that value is computed.',
      'Positions and lengths are whole numbers below 2^31.',
      'Values of parameters are given with each call, in the range the mask or modifier states.',
    ],
    example: `import { slidingWindow } from '@attn/masks'

const width = Number('128') // of a form: check it before, or catch the error
const mask = Number.isInteger(width) && width >= 0 ? slidingWindow(width) : undefined`,
  },
  {
    code: 'ATTN_CACHE_FULL',
    type: 'RangeError',
    title: 'The cache has no room for these tokens',
    cause:
      '`cache.append` was given more tokens than the capacity of a sequence has left, or there are no free pages. The cache is as it was before the call.',
    remedies: [
      '`cache.grow(capacity)` makes room in a cache of one piece; `cache.truncate` forgets tokens, and frees the pages of sequences that ended.',
      'A ring (`flash.cache({ ring: { window, sinks } })`) keeps the newest tokens and never fills.',
      'Ask `cache.length(sequence)` and `cache.capacity` before appending.',
    ],
    example: `try {
  cache.append({ key, value })
} catch (error) {
  if (error.code !== 'ATTN_CACHE_FULL') throw error
  cache.grow(2 * cache.capacity)
  cache.append({ key, value })
}`,
  },
  {
    code: 'ATTN_TYPE',
    type: 'TypeError',
    title: 'A value is of another kind',
    cause:
      'Something is not what its place needs: `null` instead of a tensor, a plain array instead of a tensor, a CPU tensor where a GPU tensor has to be, a function instead of a mask. The message says what is needed, what makes one, and what came.',
    remedies: [
      '`tensor(values, shape)` of `@attn/core` makes a tensor of numbers; `flash.upload` puts it on the GPU, `gpuTensor(buffer, shape)` makes one over a buffer of yours.',
      'Masks are made by `mask()` or by a pattern of `@attn/masks`, score modifiers by `scoreModifier()` or by `@attn/positions`.',
      'All tensors of a call are on the GPU, or all are on the CPU.',
    ],
    example: `import { tensor } from '@attn/core'
import { createFlashAttention } from '@attn/webgpu-flash'

const flash = await createFlashAttention()
const query = flash.upload(tensor(new Float32Array(8), [1, 1, 2, 4]))`,
  },
  {
    code: 'ATTN_DTYPE',
    type: 'TypeError',
    title: 'The element types do not match',
    cause:
      'Query, key and value of a call must have one dtype, and that of the plan; its storage must be the array that holds it (float16 and bfloat16 lie in a `Uint16Array`).',
    remedies: [
      '`cast(tensor, dtype)` of `@attn/core` makes another dtype of a CPU tensor.',
      "Give the dtype to the plan: `flash.plan({ dtype: 'float16' })`. Its default is float32.",
      "A `Float16Array` is taken where float16 is; `bfloat16` has to be said: `tensor(bits, shape, { dtype: 'bfloat16' })`.",
    ],
    example: `import { cast, zeros } from '@attn/core'

const key = cast(zeros([1, 2, 7, 4]), 'float16')
key.dtype // => 'float16'`,
  },
  {
    code: 'ATTN_OPTION',
    type: 'TypeError',
    title: 'There is no such option',
    cause:
      'An option was given that the function does not have: it is misspelled, belongs to another function, or is called otherwise here. JavaScript would ignore it, and the result would be another than you asked for.',
    remedies: [
      'The message names the nearest option there is, and what other libraries call differently: `causal: true` is `mask: causal()` here.',
      'Options of value `undefined` are as good as not given, so `{ mask: condition ? causal() : undefined }` works.',
    ],
    example: `import { flashAttention, zeros } from '@attn/core'
import { causal } from '@attn/masks'

const x = zeros([1, 1, 4, 4])
flashAttention(x, x, x, { mask: causal() }) // not { causal: true }`,
  },
  {
    code: 'ATTN_TRAINING',
    type: 'TypeError',
    title: 'Gradients were not asked for',
    cause:
      'What gradients need is loaded when it is asked for, since most programs only run models. A plan with `training: true` needs a library that was made with it, and `plan.backward` needs a plan that was.',
    remedies: [
      '`createFlashAttention({ training: true })`, then `flash.plan({ training: true, ... })`.',
      '`flash.attentionBackward` loads what it needs by itself.',
    ],
    example: `import { createFlashAttention } from '@attn/webgpu-flash'

const flash = await createFlashAttention({ training: true })
const plan = flash.plan({ heads: 8, queryLength: 1024, headDim: 64, training: true })`,
  },
  {
    code: 'ATTN_DESTROYED',
    type: 'TypeError',
    title: 'It was destroyed',
    cause:
      'A plan or a cache was used after its `destroy()`. Its buffers are gone; tensors that it returned are not.',
    remedies: [
      'Destroy what belongs to a page or a layer where that ends, and make a new one where it begins.',
      'After `flash.destroy()` everything throws a `DeviceLostError` instead.',
    ],
    example: `const plan = flash.plan(options)
try {
  results.push(plan.forward(inputs))
} finally {
  plan.destroy() // what was submitted is computed all the same
}`,
  },
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
