// The slow work of the page, away from its thread: random inputs, the reference, and attention on the
// CPU where there is no GPU. Masks do not travel between threads; settings do, and are built here.
import { createBlockMap, flashAttention, type Tensor } from '@attn/core'
import { attentionOptions, shapeOf, type Settings } from '../settings/settings.ts'
import { checkOutput, type Check } from './check.ts'
import { randomInputs, type Inputs } from './inputs.ts'

export interface CpuRun {
  readonly check: Check
  readonly milliseconds: number
}

export type WorkerRequest =
  | { readonly kind: 'inputs'; readonly settings: Settings }
  | { readonly kind: 'check'; readonly settings: Settings; readonly output: Tensor }
  | { readonly kind: 'cpu'; readonly settings: Settings }

export type WorkerReply =
  | { readonly kind: 'done'; readonly result: Inputs | Check | CpuRun }
  | { readonly kind: 'failed'; readonly message: string }

/** Tile of the run on the CPU. */
const block = 32

let prepared: { readonly key: string; readonly inputs: Inputs } | undefined

function inputsOf(settings: Settings): Inputs {
  const shape = shapeOf(settings)
  const key = JSON.stringify([shape, settings.dtype])
  if (prepared?.key !== key) prepared = { key, inputs: randomInputs(shape, settings.dtype) }
  return prepared.inputs
}

function runOnCpu(settings: Settings): CpuRun {
  const inputs = inputsOf(settings)
  const options = attentionOptions(settings)
  const blockMap = createBlockMap(options.mask, shapeOf(settings), {
    queryBlockSize: block,
    keyBlockSize: block,
  })
  const start = performance.now()
  const { query, key, value } = inputs
  const { output } = flashAttention(query, key, value, { ...options, blockMap })
  const milliseconds = performance.now() - start
  return { milliseconds, check: checkOutput(inputs, options, output) }
}

function answer(request: WorkerRequest): Inputs | Check | CpuRun {
  const { kind, settings } = request
  if (kind === 'inputs') return inputsOf(settings)
  if (kind === 'cpu') return runOnCpu(settings)
  return checkOutput(inputsOf(settings), attentionOptions(settings), request.output)
}

self.addEventListener('message', ({ data }: MessageEvent<WorkerRequest>) => {
  let reply: WorkerReply
  try {
    reply = { kind: 'done', result: answer(data) }
  } catch (error) {
    reply = { kind: 'failed', message: error instanceof Error ? error.message : String(error) }
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- workers have no origin
  self.postMessage(reply)
})
