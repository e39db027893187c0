// A device that computes nothing and writes down all it is asked for, at the border that no refactoring
// moves: WebGPU. Two programs that record the same here do the same on a GPU.
import { createHash } from 'node:crypto'
import type { AdapterData } from './adapters.ts'

/** What was asked of a device. */
export interface Recording {
  /** The texts of the kernels that were dispatched or compiled, each once. */
  readonly texts: readonly string[]
  /** One line for each buffer in use and each thing bound: sizes, ranges and uploaded words. */
  readonly bindings: readonly string[]
  /** One line for each dispatch, clear and copy. */
  readonly commands: readonly string[]
}

/** A device with what an adapter offers. */
export interface RecordingDevice {
  readonly device: GPUDevice
  readonly info: GPUAdapterInfo
  /** All since the last call of `take`. */
  take(): Recording
}

/** The first letters of a text's or of words' SHA-256. */
export function shortHash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 8)
}

interface RecordedBuffer {
  readonly size: number
  readonly usage: number
  /** What was uploaded into it, if anything was. */
  content: string
}

interface RecordedPipeline {
  readonly code: string
  readonly layout: string
}

/** Starts a device that does nothing but record. */
export function recordingDevice(adapter: AdapterData): RecordingDevice {
  let texts = new Set<string>()
  let bindings: string[] = []
  let commands: string[] = []
  /** Buffers in the order they are used in, whenever they were made. */
  let buffers: GPUBuffer[] = []
  const recorded = (buffer: GPUBuffer): RecordedBuffer => buffer as unknown as RecordedBuffer
  const nameOf = (buffer: GPUBuffer): string => {
    if (!buffers.includes(buffer)) buffers.push(buffer)
    return `buffer ${buffers.indexOf(buffer)}`
  }
  const used = (code: string): number => {
    texts.add(code)
    return [...texts].indexOf(code)
  }
  const layoutOf = ({ entries }: GPUBindGroupLayoutDescriptor): string =>
    [...entries].map(({ binding, buffer }) => `${binding} ${buffer?.type}`).join(', ')

  const createBuffer = ({ size, usage, mappedAtCreation }: GPUBufferDescriptor) => {
    const mapped = mappedAtCreation ? new Uint8Array(size) : undefined
    const buffer = {
      size,
      usage,
      content: '',
      destroy: () => {},
      getMappedRange: () => mapped!.buffer,
      unmap: () => void (buffer.content = `, ${shortHash(mapped!)}`),
    }
    return buffer as unknown as GPUBuffer
  }

  const computePass = () => {
    let pipeline: RecordedPipeline | undefined
    return {
      setPipeline: (next: RecordedPipeline) => void (pipeline = next),
      setBindGroup: (_: number, { entries }: { readonly entries: readonly string[] }) =>
        void bindings.push(...entries),
      dispatchWorkgroups: (x: number, y = 1, z = 1) =>
        void commands.push(
          `kernel ${used(pipeline!.code)} [${pipeline!.layout}], ${x} x ${y} x ${z} workgroups`,
        ),
      dispatchWorkgroupsIndirect: (buffer: GPUBuffer, offset: number) =>
        void commands.push(
          `kernel ${used(pipeline!.code)} [${pipeline!.layout}], workgroups of ${nameOf(buffer)} ${offset}`,
        ),
      end: () => {},
    }
  }

  const encoder = () => ({
    beginComputePass: computePass,
    clearBuffer: (buffer: GPUBuffer, offset = 0, size?: number) =>
      void commands.push(`clear ${nameOf(buffer)} ${offset} ${size}`),
    copyBufferToBuffer: (
      source: GPUBuffer,
      from: number,
      target: GPUBuffer,
      to: number,
      size: number,
    ) => void commands.push(`copy ${nameOf(source)} ${from} to ${nameOf(target)} ${to}, ${size}`),
    finish: () => ({}),
  })

  const pipelineOf = ({ layout, compute }: GPUComputePipelineDescriptor): RecordedPipeline => ({
    code: (compute.module as unknown as { readonly code: string }).code,
    layout: (layout as unknown as { readonly layouts: readonly string[] }).layouts.join('; '),
  })

  const device = {
    lost: new Promise(() => {}),
    features: new Set(adapter.features),
    limits: { minUniformBufferOffsetAlignment: 256, ...adapter.limits },
    queue: {
      submit: () => {},
      onSubmittedWorkDone: async () => Promise.resolve(),
      writeBuffer: (buffer: GPUBuffer, offset: number, data: BufferSource) => {
        const bytes = ArrayBuffer.isView(data)
          ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
          : new Uint8Array(data)
        commands.push(`write ${nameOf(buffer)} ${offset} ${shortHash(bytes)}`)
      },
    },
    pushErrorScope: () => {},
    popErrorScope: async () => Promise.resolve(null),
    createBuffer,
    createBindGroupLayout: layoutOf,
    createPipelineLayout: ({ bindGroupLayouts }: { bindGroupLayouts: readonly string[] }) => ({
      layouts: bindGroupLayouts,
    }),
    createShaderModule: ({ code }: GPUShaderModuleDescriptor) => ({ code }),
    createComputePipeline: pipelineOf,
    createComputePipelineAsync: async (descriptor: GPUComputePipelineDescriptor) =>
      Promise.resolve(pipelineOf(descriptor)),
    createBindGroup: ({ entries }: GPUBindGroupDescriptor) => ({
      entries: [...entries].map(({ binding, resource }) => {
        const { buffer, offset = 0, size } = resource as GPUBufferBinding
        const { size: whole, usage, content } = recorded(buffer)
        const whatItIs = `${nameOf(buffer)} of ${whole}, usage ${usage}${content}`
        return `${binding}: ${whatItIs}, at ${offset} for ${size ?? whole - offset}`
      }),
    }),
    createCommandEncoder: encoder,
  }
  return {
    device: device as unknown as GPUDevice,
    info: adapter.info as unknown as GPUAdapterInfo,
    take: () => {
      const recording = { texts: [...texts], bindings, commands }
      texts = new Set()
      bindings = []
      commands = []
      buffers = []
      return recording
    },
  }
}
