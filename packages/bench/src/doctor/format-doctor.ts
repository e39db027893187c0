// The doctor's findings as text for a terminal.
import type { Diagnosis } from '@attn/webgpu-flash'
import type { DoctorReport } from './doctor.ts'

const indent = (text: string, width: number): string => {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length >= 96 - width) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  return [...lines, line].map((each) => ' '.repeat(width) + each).join('\n')
}

/** Text of at most 96 columns. */
export function formatDoctor({ environment, device, diagnosis }: DoctorReport): string {
  const { attn, runtime, platform, webgpu } = environment
  const head = [
    `attn ${attn}, ${runtime}${webgpu ? `, webgpu ${webgpu}` : ''}, ${platform}`,
    `device: ${device.name}${device.description ? ` (${device.description})` : ''}, ${device.backend}`,
  ]
  if (!diagnosis) {
    return [
      ...head,
      '',
      'No WebGPU device: attention runs on the CPU reference, which is correct and slow.',
      indent(
        'In a browser, use one with WebGPU (https pages only). In Node, install the package webgpu and a Vulkan, Metal or D3D12 driver.',
        2,
      ),
    ].join('\n')
  }
  const { capabilities, kernels, remedies, results } = diagnosis
  const { subgroups, subgroupMatrices, limits } = capabilities
  const offers = [
    `float16 arithmetic: ${capabilities.shaderFloat16 ? 'yes' : 'no'}`,
    `subgroups: ${subgroups ? sizes(subgroups) : 'no'}`,
    `subgroup matrices: ${subgroupMatrices.length > 0 ? subgroupMatrices.map(({ operands, sums, rows, columns, depth }) => `${rows}x${columns}x${depth} ${operands} to ${sums}`).join(', ') : 'no'}`,
    `workgroup memory: ${limits.maxComputeWorkgroupStorageSize} bytes, ${limits.maxComputeInvocationsPerWorkgroup} invocations`,
    `largest binding: ${limits.maxStorageBufferBindingSize} bytes`,
  ]
  return [
    ...head,
    ...offers.map((line) => indent(line, 2)),
    '',
    'Which kernel the usual calls get, and why:',
    ...byReason(kernels),
    '',
    remedies.length > 0
      ? 'What would make it faster:'
      : 'Nothing is missing that a kernel could use.',
    ...remedies.map((text) => indent(text, 2)),
    '',
    'Small problems against float64:',
    ...results.map(
      ({ problem, error, allowed, passed }) =>
        `  ${passed ? 'right' : 'WRONG'}  ${problem}: error ${error.toExponential(1)}, ${allowed.toExponential(0)} allowed`,
    ),
  ].join('\n')
}

/** Calls that get the same kernel for the same reason, together. */
function byReason(kernels: Diagnosis['kernels']): string[] {
  const groups = new Map<string, string[]>()
  for (const { call, variant, reason } of kernels) {
    const key = `${variant}\n${indent(reason, 4)}`
    groups.set(key, [...(groups.get(key) ?? []), call])
  }
  return [...groups].map(([key, calls]) => {
    const [variant, ...reason] = key.split('\n')
    return [indent(`${calls.join('; ')}: ${variant}`, 2), ...reason].join('\n')
  })
}

function sizes({ minimum, maximum }: { minimum: number; maximum: number }): string {
  return minimum === maximum ? `of ${minimum}` : `of ${minimum} to ${maximum}`
}
