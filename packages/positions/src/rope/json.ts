// Values out of parsed JSON, checked: whoever wrote the file is not the one who sees the error.
import { rangeError } from '@attn/core'

/** A JSON object. */
export type JsonRecord = Readonly<Record<string, unknown>>

/** An object, or a RangeError that names it. */
export function readRecord(caller: string, name: string, value: unknown): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw rangeError(`${caller}: ${name} must be an object, got ${JSON.stringify(value)}`)
  }
  return value as JsonRecord
}

/** A finite number, or a RangeError that names it. */
export function readNumber(caller: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw rangeError(`${caller}: ${name} must be a number, got ${JSON.stringify(value)}`)
  }
  return value
}

/** A list of finite numbers, or a RangeError that names it. */
export function readNumbers(caller: string, name: string, value: unknown): number[] {
  if (!Array.isArray(value)) {
    throw rangeError(`${caller}: ${name} must be a list, got ${JSON.stringify(value)}`)
  }
  return value.map((item: unknown, index) => readNumber(caller, `${name}[${index}]`, item))
}
