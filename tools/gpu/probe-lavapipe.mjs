// Prints what WebGPU's adapter is, and fails where it is not a lavapipe that can do what the tests
// want of it. Run by the Node that is to be tried.
import { create } from 'webgpu'

const gpu = create(['enable-dawn-features=allow_unsafe_apis'])
const adapter = await gpu.requestAdapter()
if (!adapter) throw new Error('WebGPU finds no adapter')
const wanted = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix']
const missing = wanted.filter((feature) => !adapter.features.has(feature))
if (missing.length > 0) throw new Error(`${adapter.info.description} has no ${missing.join(', ')}`)
console.log(adapter.info.description)
process.exit()
