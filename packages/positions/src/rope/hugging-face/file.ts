// Two words of all readers of config.json.
import type { JsonRecord } from '../json.ts'

/** Who speaks in errors. */
export const caller = 'ropeConfigFromHuggingFace'

/** Whether a file has a setting; null is how Python writes that it has not. */
export function stated(file: JsonRecord, name: string): boolean {
  return file[name] !== undefined && file[name] !== null
}
