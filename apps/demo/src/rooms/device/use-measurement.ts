// A measurement that a button starts: whether it runs, how far it is, and what went wrong.
import type { Progress } from '@attn/bench'
import { messageOf } from '@attn/components/gpu'
import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'

export interface Measurement<Report> {
  readonly report: ShallowRef<Report | undefined>
  readonly busy: Ref<boolean>
  /** The step it is at, in words. */
  readonly step: Ref<string | undefined>
  readonly error: Ref<string | undefined>
  readonly start: () => Promise<void>
}

export function useMeasurement<Report>(
  measure: (onProgress: (progress: Progress) => void) => Promise<Report>,
): Measurement<Report> {
  const report = shallowRef<Report>()
  const busy = ref(false)
  const step = ref<string>()
  const error = ref<string>()
  const start = async (): Promise<void> => {
    busy.value = true
    error.value = undefined
    try {
      report.value = await measure(({ done, total, label }) => {
        step.value = `${label} (${done + 1} of ${total})`
      })
    } catch (reason) {
      error.value = messageOf(reason)
    } finally {
      busy.value = false
      step.value = undefined
    }
  }
  return { report, busy, step, error, start }
}
