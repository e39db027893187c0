// Our own two, seen as a peer sees them: flash attention, and standard attention with the scores
// written down. They run in a process of their own like the others, and answer to two clocks.
import { tensor, toFloat16Array } from '@attn/core'
import type { DType, Mask } from '@attn/core'
import { causal, slidingWindow } from '@attn/masks'
import type { FlashAttention, GpuTensor } from '@attn/webgpu-flash'
import { findDevice } from '../device/find-device.ts'
import { flashOn } from '../device/flash-on.ts'
import type { DeviceReport, FoundDevice } from '../device/find-device.ts'
import { withErrorScopes } from '../device/error-scope.ts'
import { readRanges } from '../inputs/read-back.ts'
import { createGpuStopwatch } from '../measure/gpu-stopwatch.ts'
import type { EncodeWork } from '../measure/gpu-stopwatch.ts'
import { createGradientInputs } from '../gradients/inputs.ts'
import { prepareFlashTraining, prepareStandardTraining } from '../gradients/prepare.ts'
import { measureCeilings } from './ceilings.ts'
import type { Ceilings } from './ceilings.ts'
import type { Peer, PeerInputs, PeerMask, PeerSetting, PeerShape, PreparedPeer } from './peer.ts'
import { createStandardAttention } from './standard-webgpu/standard-attention.ts'

/** Ourselves, who know the device as well. */
export interface AttnPeer extends Peer {
  /** Undefined before it is open. */
  readonly device: DeviceReport | undefined
  /** What the device does at best. */
  readonly ceilings: (dtypes: readonly DType[]) => Promise<Ceilings>
}

interface Work {
  readonly encode: EncodeWork
  readonly destroy: () => void
}

/** Timed back to back between two timestamps. */
const timedCalls = 9

/** The mask of a problem in `@attn/masks`'s terms; undefined where every query sees every key. */
export function attentionMask({
  mask,
  window,
}: {
  mask: PeerMask
  window: number
}): Mask | undefined {
  if (mask === 'full') return undefined
  return mask === 'causal' ? causal() : slidingWindow(window - 1)
}

/** `@attn/webgpu-flash` and our standard attention. */
export function attnPeer({ flags, software, ownVersion }: PeerSetting): AttnPeer {
  let flash: FlashAttention | undefined
  // Kept for as long as the process lives: devices die with what findDevice returns.
  let found: FoundDevice | undefined
  return {
    name: 'attn',
    version: ownVersion,
    variants: ['flash', 'standard'],
    get device() {
      return found?.report
    },
    ceilings: (dtypes) => measureCeilings(flash!.device, dtypes, found!.kind === 'software'),
    async available() {
      found = await findDevice({ kind: software ? 'software' : 'auto', flags })
      if (found.kind === 'cpu') return `no WebGPU here: ${found.report.description}`
      flash = await flashOn(found)
      return undefined
    },
    prepare: (shape, variant, inputs) => prepare(flash!, shape, variant, inputs),
  }
}

async function prepare(
  flash: FlashAttention,
  shape: PeerShape,
  variant: string,
  inputs: PeerInputs,
): Promise<PreparedPeer> {
  const { device } = flash
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, dtype } = shape
  const upload = (data: Float32Array<ArrayBuffer>, ownHeads: number, length: number): GpuTensor => {
    const storage = dtype === 'float32' ? data : toFloat16Array(data)
    return flash.upload(tensor(storage, [batch, ownHeads, length, headDim]))
  }
  const tensors = {
    query: upload(inputs.query, heads, queryLength),
    key: upload(inputs.key, kvHeads, keyLength),
    value: upload(inputs.value, kvHeads, keyLength),
    output: flash.empty([batch, heads, queryLength, headDim], dtype),
    logSumExp: flash.empty([batch, heads, queryLength]),
  }
  const result = shape.backward ? undefined : tensors.output.storage
  const training = shape.backward
    ? await trainingWork(flash, shape, variant, inputs, tensors)
    : undefined
  const work = training ?? (variant === 'flash' ? flashWork(flash, shape, tensors) : standardWork())
  async function standardWork(): Promise<Work> {
    if (shape.mask === 'window') throw new Error('standard attention has no window here')
    if (kvHeads !== heads) throw new Error('standard attention has no grouped heads here')
    const buffers = {
      query: tensors.query.storage,
      key: tensors.key.storage,
      value: tensors.value.storage,
      output: tensors.output.storage,
    }
    const sizes = { batch, heads, queryLength, keyLength, headDim, dtype }
    return withErrorScopes(device, 'standard attention', () =>
      createStandardAttention(device, { ...sizes, causal: shape.mask === 'causal' }, buffers),
    )
  }
  const { encode, destroy } = await work
  const stopwatch = createGpuStopwatch(device, encode)
  const run = async (chain: number): Promise<void> => {
    const encoder = device.createCommandEncoder()
    for (let call = 0; call < chain; call++) encode(encoder)
    device.queue.submit([encoder.finish()])
    await device.queue.onSubmittedWorkDone()
  }
  return {
    run,
    async output() {
      await withErrorScopes(device, variant, () => run(1))
      await flash.finished()
      const count = batch * heads * queryLength * headDim
      const ranges = [{ first: 0, count }]
      const [rows] = await readRanges(device, result ?? training!.dQuery, dtype, ranges)
      return rows!
    },
    timeOnGpu: async () =>
      stopwatch.clock === 'gpu-timestamps'
        ? (await stopwatch.time(timedCalls)) / timedCalls
        : undefined,
    release() {
      stopwatch.destroy()
      destroy()
      flash.release(...Object.values(tensors))
    },
  }
}

async function flashWork(
  flash: FlashAttention,
  shape: PeerShape,
  tensors: Record<'query' | 'key' | 'value' | 'output' | 'logSumExp', GpuTensor>,
): Promise<Work> {
  const { batch, heads, kvHeads, queryLength, keyLength, headDim, dtype } = shape
  const mask = attentionMask(shape)
  const sizes = { batch, heads, kvHeads, queryLength, keyLength, headDim, dtype }
  const plan = flash.plan({ ...sizes, ...(mask ? { mask } : {}) })
  await plan.compile()
  return {
    encode: (encoder, timestampWrites) => plan.encodeForward(encoder, tensors, timestampWrites),
    destroy: () => plan.destroy(),
  }
}

/** A forward and a backward pass as one call. */
async function trainingWork(
  flash: FlashAttention,
  shape: PeerShape,
  variant: string,
  inputs: PeerInputs,
  tensors: Record<'query' | 'key' | 'value' | 'output', GpuTensor>,
): Promise<Work & { readonly dQuery: GPUBuffer }> {
  const { batch, heads, kvHeads, queryLength, headDim, dtype, mask } = shape
  if (kvHeads !== heads) throw new Error('backward passes of grouped heads are not measured here')
  if (variant === 'standard' && mask === 'window') {
    throw new Error('standard attention has no window here')
  }
  const buffers = {
    query: tensors.query.storage,
    key: tensors.key.storage,
    value: tensors.value.storage,
    output: tensors.output.storage,
  }
  const gradients = await createGradientInputs(flash.device, shape, queryLength, buffers)
  const data = inputs.dOutput!
  const storage = dtype === 'float32' ? data : toFloat16Array(data)
  flash.device.queue.writeBuffer(gradients.buffers.dOutput, 0, storage)
  const sizes = { batch, heads, headDim, dtype }
  const prepared =
    variant === 'flash'
      ? await prepareFlashTraining(
          flash,
          sizes,
          { mask: attentionMask(shape) },
          queryLength,
          buffers,
          gradients,
        )
      : await prepareStandardTraining(
          flash.device,
          sizes,
          mask === 'causal',
          queryLength,
          buffers,
          gradients,
        )
  return {
    encode: prepared.both,
    dQuery: prepared.dQuery,
    destroy() {
      prepared.destroy()
      gradients.destroy()
    },
  }
}
