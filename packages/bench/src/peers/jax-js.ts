// jax-js: `nn.dotProductAttention` on its WebGPU backend, arrays `[B, L, H, D]`. Arrays are counted
// references: a call consumes what it is given, `.ref` keeps it.
import { pathToFileURL } from 'node:url'
import { provideGpu } from './node-gpu.ts'
import { swapHeads } from './peer.ts'
import type { Peer, PeerSetting } from './peer.ts'

interface JaxArray {
  readonly ref: JaxArray
  astype(dtype: string): JaxArray
  data(): Promise<ArrayLike<number>>
  blockUntilReady(): Promise<JaxArray>
  dispose(): void
}
interface JaxOptions {
  readonly isCausal?: boolean
  readonly localWindowSize?: readonly [number, number]
}
interface Jax {
  init(device: string): Promise<readonly string[]>
  defaultDevice(device: string): void
  getWebGPUDevice(): GPUDevice
  readonly numpy: {
    array(data: Float32Array, options: { shape: readonly number[]; dtype: string }): JaxArray
  }
  readonly nn: {
    dotProductAttention(
      query: JaxArray,
      key: JaxArray,
      value: JaxArray,
      options: JaxOptions,
    ): JaxArray
  }
}

/** jax-js as a peer. */
export function jaxPeer({ flags, software, resolve, versionOf }: PeerSetting): Peer {
  let jax: Jax | undefined
  return {
    name: 'jax-js',
    get version() {
      return versionOf('@jax-js/jax')
    },
    variants: ['dotProductAttention'],
    async available() {
      const path = resolve('@jax-js/jax')
      if (path === undefined) return '@jax-js/jax is not installed'
      await provideGpu(flags, software)
      const loaded = (await import(pathToFileURL(path).href)) as Jax
      if (!(await loaded.init('webgpu')).includes('webgpu')) return 'it found no WebGPU adapter'
      loaded.defaultDevice('webgpu')
      jax = loaded
      return undefined
    },
    async prepare(shape, _variant, inputs) {
      const { numpy, nn } = jax!
      const device = jax!.getWebGPUDevice()
      const { batch, heads, kvHeads, queryLength, keyLength } = shape
      const { headDim, dtype, mask, window } = shape
      const load = (data: Float32Array, ownHeads: number, length: number): JaxArray => {
        const swapped = swapHeads(data, batch, ownHeads, length, headDim)
        const options = { shape: [batch, length, ownHeads, headDim], dtype: 'float32' }
        const array = numpy.array(swapped, options)
        return dtype === 'float32' ? array : array.astype('float16')
      }
      const query = load(inputs.query, heads, queryLength)
      const key = load(inputs.key, kvHeads, keyLength)
      const value = load(inputs.value, kvHeads, keyLength)
      const options: JaxOptions = {
        ...(mask === 'full' ? {} : { isCausal: true }),
        ...(mask === 'window' ? { localWindowSize: [window - 1, 0] } : {}),
      }
      const attend = (from: JaxArray): JaxArray =>
        nn.dotProductAttention(from, key.ref, value.ref, options)
      return {
        async run(chain) {
          let result = query.ref
          for (let call = 0; call < chain; call++) result = attend(result)
          await result.blockUntilReady()
          await device.queue.onSubmittedWorkDone()
          result.dispose()
        },
        async output() {
          const data = await attend(query.ref).data()
          return swapHeads(Float32Array.from(data), batch, queryLength, heads, headDim)
        },
        release() {
          for (const array of [query, key, value]) array.dispose()
        },
      }
    },
  }
}
