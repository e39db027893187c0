// `attn device`: the whole of it, as plain data and in the terminal.
import { roofline } from '@attn/core'
import { browserEquivalent, unchecked } from '../device/dawn-flags.ts'
import { findDevice } from '../device/find-device.ts'
import { flashOn } from '../device/flash-on.ts'
import type { DeviceKind, DeviceReport } from '../device/find-device.ts'
import { UnsupportedError } from '@attn/core'
import { formatBytes, formatLength, threeDigits } from '../report/format.ts'
import type { Environment } from '../report/run-report.ts'
import { formatTable } from '../report/table.ts'
import type { Progress } from '../suites/outcome.ts'
import { measureDots } from './kernel-dots.ts'
import type { DotShape, KernelDot } from './kernel-dots.ts'
import { measureHierarchy } from './measure-hierarchy.ts'
import type { Hierarchy } from './measure-hierarchy.ts'

/** The JSON file. */
export interface HierarchyReport extends Hierarchy {
  readonly schema: 'attn-device/1'
  readonly created: string
  readonly environment: Environment
  readonly device: DeviceReport
  /** Sizes of the attention kernels below. */
  readonly shape: DotShape
  readonly kernels: readonly KernelDot[]
}

/** What to measure and on what. */
export interface HierarchyOptions {
  /** Default: the best there is; needs WebGPU. */
  readonly device?: DeviceKind | 'auto' | undefined
  /** Without Dawn's safety checks, as no browser can. Default: false. */
  readonly toggles?: boolean | undefined
  readonly environment: Environment
  /** Called with how far it is. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/**
 * Measures a device.
 *
 * @throws UnsupportedError where there is no WebGPU.
 */
export async function runHierarchy(options: HierarchyOptions): Promise<HierarchyReport> {
  const created = new Date().toISOString()
  const flags = options.toggles ? unchecked : browserEquivalent
  const found = await findDevice({ kind: options.device ?? 'auto', flags })
  try {
    if (found.kind === 'cpu') {
      throw new UnsupportedError(
        `attn device: needs WebGPU, found none (${found.report.description})`,
      )
    }
    const software = found.kind === 'software'
    const total = (software ? 6 : 8) + 3 + 3
    let done = 0
    const onStep = (label: string): void => options.onProgress?.({ done: done++, total, label })
    const hierarchy = await measureHierarchy(found.device, software, onStep)
    const flash = await flashOn(found)
    const shape: DotShape = software
      ? { heads: 2, length: 256, headDim: 64 }
      : { heads: 16, length: 4096, headDim: 64 }
    const kernels = await measureDots(flash, shape, onStep)
    flash.destroy()
    const { environment } = options
    const device = found.report
    return {
      schema: 'attn-device/1',
      created,
      environment,
      device,
      shape,
      ...hierarchy,
      kernels,
    }
  } finally {
    found.release()
  }
}

/** Bandwidth of the memory itself: of the largest copy. */
export function memoryBandwidth({ copy }: Hierarchy): number {
  return copy.at(-1)!.bytesPerSecond
}

/** Bandwidth of the fastest cache: the largest of all copies. */
export function cacheBandwidth({ copy }: Hierarchy): number {
  return Math.max(...copy.map(({ bytesPerSecond }) => bytesPerSecond))
}

/** Copies, rates, and every kernel beside its bounds. */
export function formatHierarchy(report: HierarchyReport): string {
  const { device, copy, workgroupBytesPerSecond, operationsPerSecond, kernels, shape } = report
  const perSecond = (bytes: number): string => `${formatBytes(bytes)}/s`
  const rate = operationsPerSecond.float32
  const copies = formatTable(
    [
      { group: '', title: 'copied' },
      { group: '', title: 'read and written' },
    ],
    copy.map(({ bytes, bytesPerSecond }) => [formatBytes(bytes), perSecond(bytesPerSecond)]),
  )
  const rows = kernels.map(({ label, operations, bytes, milliseconds }) => {
    const { bound, seconds, intensity } = roofline({
      bytes,
      operations,
      bandwidth: memoryBandwidth(report),
      rate,
    })
    return [
      label,
      threeDigits(intensity),
      threeDigits(milliseconds),
      threeDigits(1000 * seconds),
      bound,
      `${threeDigits(operations / milliseconds / 1e9)} TFLOP/s`,
    ]
  })
  const half = operationsPerSecond.float16
  return [
    `The memory hierarchy of ${device.name}`,
    '',
    copies,
    '',
    `workgroup memory  ${perSecond(workgroupBytesPerSecond)} read by all workgroups together`,
    `arithmetic        ${threeDigits(rate / 1e12)} TFLOP/s in float32` +
      (half === undefined ? '' : `, ${threeDigits(half / 1e12)} in float16`),
    `ridge             ${threeDigits(rate / memoryBandwidth(report))} operations a byte of memory`,
    '',
    `attention under this roofline: ${shape.heads} heads of dim ${shape.headDim}, length ${formatLength(shape.length)}, float32`,
    formatTable(
      [
        { group: '', title: 'kernel' },
        { group: '', title: 'operations a byte' },
        { group: '', title: 'ms' },
        { group: 'bound', title: 'ms' },
        { group: 'bound', title: 'by' },
        { group: '', title: 'reached' },
      ],
      rows,
    ),
    'bytes are those between memory and workgroups, as counted; where the cache serves some of them, a',
    'kernel may be faster than its bound',
  ].join('\n')
}
