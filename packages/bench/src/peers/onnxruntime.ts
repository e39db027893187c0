// ONNX Runtime's WebGPU execution provider, in both its forms: native, with a Dawn of its own, and
// WebAssembly over the WebGPU of a page. Both run the same kernels.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chains } from '../measure/chain-difference.ts'
import { provideGpu } from './node-gpu.ts'
import { onnxAttention, onnxInput, onnxOutputs } from './onnx-attention.ts'
import { swapHeads } from './peer.ts'
import type { Peer, PeerSetting, PreparedPeer } from './peer.ts'

interface OnnxTensor {
  readonly data: Float32Array
}
interface Session {
  run(
    feeds: Readonly<Record<string, OnnxTensor>>,
    fetches: readonly string[],
  ): Promise<Readonly<Record<string, OnnxTensor>>>
  release(): Promise<void>
}
interface OnnxRuntime {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> }
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => OnnxTensor
  readonly env: { logLevel: string; readonly wasm: { numThreads?: number } }
  listSupportedBackends?(): readonly { readonly name: string }[]
}

/** The npm package `onnxruntime-node`. */
export function onnxruntimeNodePeer({ resolve, versionOf }: PeerSetting): Peer {
  return onnxruntimePeer('onnxruntime-node', versionOf, async () => {
    const path = resolve('onnxruntime-node')
    if (path === undefined) return 'onnxruntime-node is not installed'
    const runtime = createRequire(path)(path) as OnnxRuntime
    const backends = runtime.listSupportedBackends?.() ?? []
    return backends.some(({ name }) => name === 'webgpu')
      ? runtime
      : 'its build for this platform has no WebGPU execution provider'
  })
}

/** The npm package `onnxruntime-web`, as a page would load it. */
export function onnxruntimeWebPeer({ flags, software, resolve, versionOf }: PeerSetting): Peer {
  return onnxruntimePeer('onnxruntime-web', versionOf, async () => {
    const path = resolve('onnxruntime-web')
    if (path === undefined) return 'onnxruntime-web is not installed'
    await provideGpu(flags, software)
    // The package gives Node a build without WebGPU; a page gets the one beside it.
    const page = join(dirname(path), 'ort.webgpu.bundle.min.mjs')
    return (await import(pathToFileURL(page).href)) as OnnxRuntime
  })
}

function onnxruntimePeer(
  name: string,
  versionOf: PeerSetting['versionOf'],
  load: () => Promise<OnnxRuntime | string>,
): Peer {
  let runtime: OnnxRuntime | undefined
  return {
    name,
    get version() {
      return versionOf(name)
    },
    variants: ['fused'],
    async available() {
      const loaded = await load()
      if (typeof loaded === 'string') return loaded
      loaded.env.logLevel = 'error'
      runtime = loaded
      return undefined
    },
    prepare: (shape, _variant, inputs) => prepare(runtime!, shape, inputs),
  }
}

async function prepare(
  { InferenceSession, Tensor }: OnnxRuntime,
  ...[shape, inputs]: [Parameters<Peer['prepare']>[0], Parameters<Peer['prepare']>[2]]
): Promise<PreparedPeer> {
  const { batch, heads, queryLength, headDim } = shape
  const sessions = new Map<number, Session>()
  const sessionOf = async (chain: number): Promise<Session> => {
    const known = sessions.get(chain)
    if (known) return known
    const model = onnxAttention(shape, inputs, chain)
    const created = await InferenceSession.create(model, {
      executionProviders: ['webgpu'],
      // Constants would otherwise be computed with ahead of time.
      graphOptimizationLevel: 'disabled',
      logSeverityLevel: 3,
    })
    sessions.set(chain, created)
    return created
  }
  const feeds = { [onnxInput]: new Tensor('float32', new Float32Array(1), [1]) }
  // Both chains, so that making them is not timed.
  await sessionOf(chains.short)
  await sessionOf(chains.long)
  return {
    async run(chain) {
      await (await sessionOf(chain)).run(feeds, [onnxOutputs.corner])
    },
    async output() {
      const results = await (await sessionOf(1)).run(feeds, [onnxOutputs.whole])
      const { data } = results[onnxOutputs.whole]!
      return swapHeads(data, batch, queryLength, heads, headDim)
    },
    release() {
      for (const session of sessions.values()) void session.release()
    },
  }
}
