// What a page has and Node has not, for libraries that were written for pages: WebGPU in `navigator`, and
// files beside the page.
import { readFileSync } from 'node:fs'
import { create, globals } from 'webgpu'

Object.assign(globalThis, globals)
const gpu = create([])
const provided = {
  requestAdapter: (options) => gpu.requestAdapter(options),
  getPreferredCanvasFormat: () => 'bgra8unorm',
  wgslLanguageFeatures: gpu.wgslLanguageFeatures,
}
Object.defineProperty(globalThis.navigator, 'gpu', { value: provided, configurable: true })

const fetchFromNet = globalThis.fetch
globalThis.fetch = async (resource, options) =>
  typeof resource === 'string' && !resource.includes(':')
    ? new Response(readFileSync(resource))
    : fetchFromNet(resource, options)
