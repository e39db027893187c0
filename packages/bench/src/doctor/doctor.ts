// `attn doctor`: is there WebGPU, what is the device worth, and does a small problem come out right.
import { createFlashAttention } from '@attn/webgpu-flash'
import type { Diagnosis } from '@attn/webgpu-flash'
import { browserEquivalent } from '../device/dawn-flags.ts'
import { findDevice } from '../device/find-device.ts'
import type { DeviceKind, DeviceReport } from '../device/find-device.ts'
import type { Environment } from '../report/run-report.ts'

/** What was found. Plain data. */
export interface DoctorReport {
  readonly schema: 'attn-doctor/1'
  readonly created: string
  readonly environment: Environment
  readonly device: DeviceReport
  /** Undefined where there is no WebGPU device; `device.description` says why. */
  readonly diagnosis: Diagnosis | undefined
}

/** How to look. */
export interface DoctorOptions {
  /** Which device to look for. Default: `auto`. */
  readonly device?: DeviceKind | 'auto' | undefined
  /** What the figures depend on apart from the device. */
  readonly environment: Environment
}

/**
 * Examines this machine as `createFlashAttention` would use it.
 *
 * @throws UnsupportedError where a kind of device was asked for that is not there.
 */
export async function examine({
  device: kind = 'auto',
  environment,
}: DoctorOptions): Promise<DoctorReport> {
  const found = await findDevice({ kind, flags: browserEquivalent })
  const report = (diagnosis: Diagnosis | undefined): DoctorReport => ({
    schema: 'attn-doctor/1',
    created: new Date().toISOString(),
    environment,
    device: found.report,
    diagnosis,
  })
  try {
    if (found.kind === 'cpu') return report(undefined)
    const { device, adapterInfo } = found
    const flash = await createFlashAttention({ device, adapterInfo })
    try {
      return report(await flash.diagnose())
    } finally {
      flash.destroy()
    }
  } finally {
    found.release()
  }
}

/** Whether attention works on the device that was found: the CPU reference always does. */
export function isHealthy({ diagnosis }: DoctorReport): boolean {
  return diagnosis?.results.every(({ passed }) => passed) ?? true
}
