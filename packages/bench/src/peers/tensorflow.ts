// TensorFlow.js on its WebGPU backend: no attention of its own, so matrix product, softmax, matrix
// product, as its layers do it. Float32 alone.
import { createRequire } from 'node:module'
import { provideGpu } from './node-gpu.ts'
import type { Peer, PeerSetting, PeerShape } from './peer.ts'

interface Tensor {
  data(): Promise<Float32Array>
  dispose(): void
}
interface TensorFlow {
  readonly version_core: string
  setBackend(name: string): Promise<boolean>
  tensor(data: Float32Array, shape: readonly number[]): Tensor
  tidy<Result>(work: () => Result): Result
  matMul(left: Tensor, right: Tensor, transposeLeft?: boolean, transposeRight?: boolean): Tensor
  mul(left: Tensor, right: number): Tensor
  add(left: Tensor, right: Tensor): Tensor
  softmax(scores: Tensor): Tensor
  slice(tensor: Tensor, begin: readonly number[], size: readonly number[]): Tensor
}

const core = '@tensorflow/tfjs-core'
const backend = '@tensorflow/tfjs-backend-webgpu'

/** TensorFlow.js as a peer. */
export function tensorflowPeer({ flags, software, resolve }: PeerSetting): Peer {
  let library: TensorFlow | undefined
  return {
    name: 'tensorflow.js',
    get version() {
      return library?.version_core ?? ''
    },
    variants: ['unfused'],
    async available() {
      const [corePath, backendPath] = [resolve(core), resolve(backend)]
      if (corePath === undefined) return `${core} is not installed`
      if (backendPath === undefined) return `${backend} is not installed`
      await provideGpu(flags, software)
      const require = createRequire(corePath)
      const loaded = require(corePath) as TensorFlow
      require(backendPath)
      if (!(await loaded.setBackend('webgpu'))) return 'its WebGPU backend found no adapter'
      library = loaded
      return undefined
    },
    async prepare(shape, _variant, inputs) {
      const tf = library!
      if (shape.dtype !== 'float32') throw new Error('has no float16')
      if (shape.kvHeads !== shape.heads) throw new Error('has no grouped heads')
      const { batch, heads, queryLength, keyLength, headDim } = shape
      const load = (data: Float32Array, length: number): Tensor =>
        tf.tensor(data, [batch, heads, length, headDim])
      const query = load(inputs.query, queryLength)
      const key = load(inputs.key, keyLength)
      const value = load(inputs.value, keyLength)
      const bias = biasOf(shape)
      const hidden = bias && tf.tensor(bias, [1, 1, queryLength, keyLength])
      const attend = (from: Tensor): Tensor =>
        tf.tidy(() => {
          const scores = tf.mul(tf.matMul(from, key, false, true), 1 / Math.sqrt(headDim))
          return tf.matMul(tf.softmax(hidden ? tf.add(scores, hidden) : scores), value)
        })
      return {
        async run(chain) {
          let result = attend(query)
          for (let call = 1; call < chain; call++) {
            const next = attend(result)
            result.dispose()
            result = next
          }
          const corner = tf.slice(result, [0, 0, 0, 0], [1, 1, 1, 4])
          await corner.data()
          corner.dispose()
          result.dispose()
        },
        async output() {
          const result = attend(query)
          const data = await result.data()
          result.dispose()
          return data
        },
        release() {
          for (const tensor of [query, key, value, hidden]) tensor?.dispose()
        },
      }
    },
  }
}

/** What is added to scores `[L, S]`: a number that no score outweighs where a key is hidden. */
function biasOf({ queryLength, keyLength, mask, window }: PeerShape): Float32Array | undefined {
  if (mask === 'full') return undefined
  const bias = new Float32Array(queryLength * keyLength).fill(-1e9)
  for (let row = 0; row < queryLength; row++) {
    const first = mask === 'window' ? Math.max(0, row - window + 1) : 0
    bias.fill(0, row * keyLength + first, row * keyLength + row + 1)
  }
  return bias
}
