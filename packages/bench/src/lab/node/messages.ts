// What threads say to one another.
import type { LabJob, LabJobResult, LabJobText } from '../jobs/job.ts'

/** What a thread starts with. */
export interface ThreadStart {
  readonly text: LabJobText
  readonly folder: string
}

/** To a thread. */
export type ThreadRequest =
  | { readonly kind: 'job'; readonly id: number; readonly job: LabJob }
  | { readonly kind: 'interrupt' }

/** From a thread. */
export type ThreadReply =
  | {
      readonly kind: 'progress'
      readonly id: number
      readonly done: number
      readonly label: string
    }
  | { readonly kind: 'result'; readonly id: number; readonly result: LabJobResult }
  | {
      readonly kind: 'error'
      readonly id: number
      readonly message: string
      readonly interrupted: boolean
    }
