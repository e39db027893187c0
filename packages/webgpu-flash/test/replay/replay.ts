// Process replay: every call of the corpus is planned and run for every adapter on a device that only
// records, and what it recorded is hashed. A change of a plan or a kernel then shows which calls on which
// adapters it touches, and a change that should touch none shows that it does.
import { contiguousStrides, permute } from '@attn/core'
import type { DType } from '@attn/core'
import { readCapabilities } from '../../src/device/capabilities.ts'
import type { AttentionPlan, FlashAttention, GpuTensor } from '../../src/index.ts'
import { unprovenMatrices } from '../../src/plan/usable-matrices.ts'
import { training } from '../../src/run/backward/training.ts'
import { createLibrary } from '../../src/run/flash-attention.ts'
import { adapters } from './adapters.ts'
import type { AdapterData } from './adapters.ts'
import { replayedCalls } from './corpus.ts'
import type { ReplayedCall } from './corpus.ts'
import { recordingDevice, shortHash } from './recording-device.ts'
import type { Recording } from './recording-device.ts'

/** A call on an adapter, with all that it asked of WebGPU. */
export interface ReplayedPlan {
  readonly name: string
  /** The kernel by its name, or the error of a plan that is not made. */
  readonly variant: string
  readonly recording: Recording
}

/** Plans and runs the corpus. */
export async function replayAll(): Promise<readonly ReplayedPlan[]> {
  const plans: ReplayedPlan[] = []
  for (const adapter of adapters) plans.push(...replayOn(adapter))
  return plans
}

function replayOn(adapter: AdapterData): ReplayedPlan[] {
  const recorder = recordingDevice(adapter)
  const { device, info } = recorder
  const packed = adapter.languageFeatures.includes('packed_4x8_integer_dot_product')
  const claimed = readCapabilities(device, info, packed)
  const { provenAt } = adapter
  const unproven = unprovenMatrices(claimed)
  const subgroupMatrices = claimed.subgroupMatrices.map((matrix) =>
    provenAt !== undefined && unproven.includes(matrix) ? { ...matrix, provenAt } : matrix,
  )
  const flash = createLibrary(device, { ...claimed, subgroupMatrices }, { training })
  return replayedCalls.map((call) => {
    const name = `${adapter.name} | ${call.name}`
    const variant = variantOf(flash, call)
    return { name, variant, recording: recorder.take() }
  })
}

function variantOf(flash: FlashAttention, call: ReplayedCall): string {
  try {
    return replay(flash, call)
  } catch (error) {
    return `refused: ${(error as Error).message}`
  }
}

/** Runs a call; the name of the kernel that did it. */
function replay(flash: FlashAttention, call: ReplayedCall): string {
  const plan = flash.plan(call.options)
  if (call.quantized) runOverCache(flash, plan, call)
  else runOverTensors(flash, plan, call)
  const { variant } = plan.explain()
  plan.destroy()
  return variant
}

function runOverTensors(flash: FlashAttention, plan: AttentionPlan, call: ReplayedCall): void {
  const { batch = 1, heads, queryLength, headDim, dtype = 'float32', training } = call.options
  const { kvHeads = heads, keyLength = queryLength, valueDim = headDim } = call.options
  const make = (...shape: Shape): GpuTensor => tensorFor(flash, call, shape, dtype)
  const inputs = {
    query: make(batch, heads, queryLength, headDim),
    key: make(batch, kvHeads, keyLength, headDim),
    value: make(batch, kvHeads, keyLength, valueDim),
    ...call.given,
  }
  const results = plan.forward(inputs)
  if (training) {
    const dOutput = make(batch, heads, queryLength, valueDim)
    plan.backward({ ...inputs, ...results, dOutput })
  }
}

/** Over a cache of blocks to which all but one of the call's tokens have been appended. */
function runOverCache(flash: FlashAttention, plan: AttentionPlan, call: ReplayedCall): void {
  const { batch = 1, heads, queryLength, headDim, dtype } = call.options
  const { kvHeads = heads, keyLength = queryLength } = call.options
  const { quantized } = call
  const cache = flash.cache({ batch, kvHeads, headDim, dtype, capacity: keyLength, quantized })
  const tokens = flash.empty([batch, kvHeads, keyLength - 1, headDim], dtype)
  cache.append({ key: tokens, value: tokens })
  plan.forward({
    query: flash.empty([batch, heads, queryLength, headDim], dtype),
    ...cache.inputs(),
  })
  cache.destroy()
}

type Shape = [batch: number, heads: number, length: number, dim: number]

function tensorFor(
  flash: FlashAttention,
  { transposed = false }: ReplayedCall,
  shape: Shape,
  dtype: DType,
): GpuTensor {
  if (!transposed) return flash.empty(shape, dtype)
  const [batch, heads, length, dim] = shape
  const outside: Shape = [batch, length, heads, dim]
  const dense = { ...flash.empty(outside, dtype), strides: contiguousStrides(outside) }
  return permute(dense, [0, 2, 1, 3])
}

/** A plan as a line: its name, its kernel, and hashes of texts, bindings and commands. */
export function hashLine({ name, variant, recording }: ReplayedPlan): string {
  const { texts, bindings, commands } = recording
  const hashes = [texts, bindings, commands].map((lines) => shortHash(lines.join('\n')))
  return `${name} | ${variant} | ${texts.length} texts ${hashes[0]}, bindings ${hashes[1]}, ${commands.length} commands ${hashes[2]}`
}

/** The names of lines that stand in one list and not in the other. */
export function touchedPlans(before: readonly string[], after: readonly string[]): string[] {
  const [known, now] = [new Set(before), new Set(after)]
  const changed = [
    ...after.filter((line) => !known.has(line)),
    ...before.filter((line) => !now.has(line)),
  ]
  const names = changed.map((line) => line.split(' | ').slice(0, 2).join(' | '))
  return [...new Set(names)]
}
