// Tuning records given to the library: which apply to this device, and what they say of a call.
import type { Capabilities } from '../device/capabilities.ts'
import type { ShapeClass, Tuning, TuningAnswer } from '../plan/tuning.ts'
import { kernelVersion } from './kernel-version.ts'
import { checkRecord } from './parse-record.ts'
import type { TunedDevice, TuningEntry, TuningRecord } from './record.ts'

/** Tuning that records can be added to. */
export interface ImportedTuning extends Tuning {
  /**
   * Adds one record or several; later ones come first where both know a call.
   *
   * @throws TypeError for what is not a record; then none is added.
   */
  add(caller: string, records: unknown): void
}

/** What a record says about a device. */
export function tunedDevice({
  adapter,
  shaderFloat16,
  subgroupMatrices,
  limits,
}: Capabilities): TunedDevice {
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = limits
  return {
    adapter,
    shaderFloat16,
    subgroupMatrices: subgroupMatrices.length > 0,
    maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup,
  }
}

/** Starts with no records. */
export function createImportedTuning(capabilities: Capabilities): ImportedTuning {
  const device = tunedDevice(capabilities)
  let entries: TuningEntry[] = []
  const ignored: string[] = []
  return {
    add: (caller, records) => {
      const several = Array.isArray(records)
      const checked = (several ? (records as unknown[]) : [records]).map((record, index) =>
        checkRecord(caller, record, several ? `record ${index}` : 'record'),
      )
      for (const record of checked) {
        const reason = mismatch(record, device)
        if (reason === undefined) entries = [...record.entries, ...entries]
        else if (!ignored.includes(reason)) ignored.push(reason)
      }
    },
    find: (call) => answer(entries, ignored, call),
  }
}

function answer(
  entries: readonly TuningEntry[],
  ignored: readonly string[],
  call: ShapeClass,
): TuningAnswer | undefined {
  if (entries.length === 0) {
    return ignored.length > 0 ? { ignored: ignored.join('; ') } : undefined
  }
  const matching = entries.filter((entry) => matches(entry, call))
  const [first] = matching
  if (!first) return { ignored: 'the tuning of this device has no entry for such calls' }
  // Calls of one kind may have been tuned with and without their backward pass.
  const backward = matching.find((entry) => entry.backward)?.backward
  const tuned = <Tile>({ best, speedUp }: { best: Tile; speedUp: number }) => ({
    tile: best,
    speedUp,
  })
  return {
    forward: tuned(first.forward),
    ...(backward
      ? {
          backward: {
            kernels: backward.kernels,
            query: tuned(backward.query),
            key: tuned(backward.key),
          },
        }
      : {}),
  }
}

function matches(
  { dtype, headDim, valueDim, queryLengths: { from, to = Infinity }, masked }: TuningEntry,
  call: ShapeClass,
): boolean {
  return (
    dtype === call.dtype &&
    headDim === call.headDim &&
    valueDim === call.valueDim &&
    masked === call.masked &&
    from <= call.queryLength &&
    call.queryLength <= to
  )
}

/** Why a record does not apply to a device; undefined where it does. */
function mismatch({ device, kernels }: TuningRecord, own: TunedDevice): string | undefined {
  const name = ({ adapter: { vendor, architecture, device: model } }: TunedDevice): string =>
    [vendor, architecture, model].filter((word) => word !== '').join(' ') || 'without a name'
  const [theirs, ours] = [device.adapter, own.adapter]
  const same =
    theirs.vendor === ours.vendor &&
    theirs.architecture === ours.architecture &&
    // Browsers often leave out the model.
    (theirs.device === ours.device || theirs.device === '' || ours.device === '')
  if (!same) return `a record is of the adapter ${name(device)}, this one is ${name(own)}`
  const names = [
    'shaderFloat16',
    'subgroupMatrices',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
  ] as const
  const other = names.find((key) => device[key] !== own[key])
  if (other !== undefined) {
    return `a record is of a device with ${other}=${device[other]}, this one has ${own[other]}`
  }
  return kernels === kernelVersion() ? undefined : 'a record is of other versions of the kernels'
}
