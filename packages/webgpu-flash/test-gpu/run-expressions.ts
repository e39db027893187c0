// Expressions computed on the GPU by the code made of them: one shader for many, since compiling is
// what takes the time.
import type { ExpressionNode, Point } from '@attn/core'
import { dataLayout, packData } from '../src/codegen/data-layout.ts'
import { coordinateArguments, expressionFunction, helperText } from '../src/codegen/expression.ts'
import { floatWord, packParameters, parameterBlock } from '../src/kernels/parameters.ts'

const sizes = ['queryLength', 'keyLength', 'heads', 'negativeInfinity'] as const

/** Computes every expression at every point: `result[expression][point]`, booleans as 0 or 1. */
export async function runExpressions(
  device: GPUDevice,
  nodes: readonly ExpressionNode[],
  points: readonly Required<Point>[],
  parameters: Readonly<Record<string, number>>,
): Promise<number[][]> {
  const layout = dataLayout(nodes)
  const functions = nodes.map((node, index) =>
    expressionFunction(`tree${index}`, node, layout, true),
  )
  const helpers = new Set(functions.flatMap((one) => [...one.helpers]))
  const calls = nodes.map((node, index) => {
    const call = `tree${index}(score, ${coordinateArguments.join(', ')})`
    const value = node.type === 'boolean' ? `u32(${call})` : `bitcast<u32>(${call})`
    return `  results[${index}u * ${points.length}u + id.x] = ${value};`
  })
  const code = `${parameterBlock(sizes, layout.descriptorWords, layout.parameters.length)}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read> points: array<i32>;
@group(0) @binding(3) var<storage, read_write> results: array<u32>;
${helperText(helpers)}
${functions.map((one) => one.code).join('\n')}
@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
${coordinateArguments.map((name, word) => `  let ${name} = points[6u * id.x + ${word}u];`).join('\n')}
  let score = bitcast<f32>(points[6u * id.x + 5u]);
${calls.join('\n')}
  // Bindings that no expression reads would be left out of the layout.
  if (id.x == 0xffffffffu) { results[0] = data[0] + params.heads; }
}
`
  const { words, descriptors } = packData(layout, new Uint32Array(4))
  const values = Uint32Array.from(layout.parameters, ({ name, type }) =>
    type === 'float' ? floatWord(parameters[name]!) : parameters[name]! >>> 0,
  )
  const [first] = points
  const uniforms = packParameters(
    sizes,
    { ...first!, negativeInfinity: floatWord(-Infinity) },
    descriptors,
    values,
  )
  const places = Int32Array.from(
    points.flatMap((point) => [
      ...coordinateArguments.map((name) => point[name]),
      floatWord(point.score) | 0,
    ]),
  )
  return read(device, code, [uniforms, words, places], nodes, points.length)
}

async function read(
  device: GPUDevice,
  code: string,
  [uniforms, ...storage]: readonly ArrayBufferView<ArrayBuffer>[],
  nodes: readonly ExpressionNode[],
  count: number,
): Promise<number[][]> {
  const upload = (words: ArrayBufferView<ArrayBuffer>, usage: number): GPUBuffer => {
    const buffer = device.createBuffer({ size: words.byteLength, usage: usage | 0x08 })
    device.queue.writeBuffer(buffer, 0, words)
    return buffer
  }
  const size = nodes.length * count * 4
  const results = device.createBuffer({ size, usage: 0x84 })
  const staging = device.createBuffer({ size, usage: 0x09 })
  const buffers = [upload(uniforms!, 0x40), ...storage.map((words) => upload(words, 0x80)), results]
  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }) },
  })
  const encoder = device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    }),
  )
  pass.dispatchWorkgroups(count)
  pass.end()
  encoder.copyBufferToBuffer(results, 0, staging, 0, size)
  device.queue.submit([encoder.finish()])
  await staging.mapAsync(1)
  const bytes = staging.getMappedRange().slice(0)
  for (const buffer of [...buffers, staging]) buffer.destroy()
  const [floats, integers] = [new Float32Array(bytes), new Int32Array(bytes)]
  return nodes.map(({ type }, index) =>
    Array.from((type === 'float' ? floats : integers).subarray(index * count, (index + 1) * count)),
  )
}
