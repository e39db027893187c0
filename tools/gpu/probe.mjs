// Prints the adapter that WebGPU finds, as JSON: null where there is none. Run by the Node that is to be
// tried. Plain JavaScript, as that Node may be any.
import { create } from 'webgpu'

const gpu = create(['enable-dawn-features=allow_unsafe_apis'])
const adapter = await gpu.requestAdapter()
const { vendor, architecture, device, description } = adapter?.info ?? {}
const found = {
  vendor,
  architecture,
  device,
  description,
  features: [...(adapter?.features ?? [])],
}
process.stdout.write(JSON.stringify(adapter ? found : null))
process.exit()
