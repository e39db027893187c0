// Two halves of a layer as ONNX files, for the examples of onnxruntime-web and transformers.js: what an exporter
// would have written.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeOnnx } from '../../packages/bench/src/peers/onnx-writer.ts'
import type { OnnxConstant, OnnxValue } from '../../packages/bench/src/peers/onnx-writer.ts'

const width = 32
const value = (name: string): OnnxValue => ({ name, type: 'float32', shape: [1, 37, width] })
const weight = (name: string, seed: number): OnnxConstant => {
  const numbers = Float32Array.from({ length: width * width }, (_, at) => Math.cos(at * seed) / 5)
  return { name, type: 'float32', shape: [width, width], data: new Uint8Array(numbers.buffer) }
}
const product = (from: string, by: string, to: string) => ({
  operator: 'MatMul',
  inputs: [from, by],
  outputs: [to],
})

/** Writes `project.onnx` (x to q, k and v) and `mix.onnx` (attended to y). */
export function writeModels(folder: string): void {
  const names = ['q', 'k', 'v']
  const project = {
    nodes: names.map((name) => product('x', `w${name}`, name)),
    inputs: [value('x')],
    outputs: names.map(value),
    constants: names.map((name, index) => weight(`w${name}`, index + 1.5)),
    operatorSets: { '': 17 },
  }
  const mix = {
    nodes: [product('attended', 'wo', 'y')],
    inputs: [value('attended')],
    outputs: [value('y')],
    constants: [weight('wo', 4.5)],
    operatorSets: { '': 17 },
  }
  for (const [name, model] of Object.entries({ project, mix })) {
    writeFileSync(join(folder, `${name}.onnx`), writeOnnx(model))
    // As on the Hugging Face hub.
    const published = join(folder, 'examples/transformers-js/public/models', name)
    mkdirSync(join(published, 'onnx'), { recursive: true })
    writeFileSync(join(published, 'config.json'), JSON.stringify({ model_type: 'bert' }))
    writeFileSync(join(published, 'onnx/model.onnx'), writeOnnx(model))
  }
}
