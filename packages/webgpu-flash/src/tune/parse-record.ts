// Reads a tuning record that came from outside: a file, a response, another version of this package.
// Its numbers would become shader text, so nothing is taken on trust.
import { typeError } from '@attn/core'
import { isDType } from '../gpu-tensor.ts'
import { matrixTileSizeNames } from '../plan/forward/matrix-tile-sizes.ts'
import { backwardTileSizes, forwardTileSizes, tuningSchema } from './record.ts'
import type { TuningRecord } from './record.ts'

type Fields = Readonly<Record<string, unknown>>
/** Throws where a value is not what it should be; `field` names it. */
type Check = (value: unknown, field: string) => void

/** No tile, length or dim is larger. */
const largest = 2 ** 31

/**
 * Checks that a value is a tuning record.
 *
 * @throws TypeError that names the first field which is not as it should be.
 */
export function checkRecord(caller: string, value: unknown, name: string): TuningRecord {
  const wrong = (field: string, rule: string, got: unknown): never => {
    const text = typeof got === 'object' && got !== null ? 'an object' : JSON.stringify(got)
    throw typeError(`${caller}: ${field} must be ${rule}, got ${text}`)
  }
  const object = (value: unknown, field: string): Fields =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : wrong(field, 'an object', value)
  const list = (value: unknown, field: string, check: Check): void => {
    if (!Array.isArray(value)) return wrong(field, 'an array', value)
    value.forEach((item, index) => check(item, `${field}[${index}]`))
  }
  const text: Check = (value, field) => {
    if (typeof value !== 'string') wrong(field, 'a string', value)
  }
  const flag: Check = (value, field) => {
    if (typeof value !== 'boolean') wrong(field, 'true or false', value)
  }
  const size: Check = (value, field) => {
    const fine = Number.isInteger(value) && (value as number) > 0 && (value as number) < largest
    if (!fine) wrong(field, 'a positive integer', value)
  }
  const positive: Check = (value, field) => {
    if (!(Number.isFinite(value) && (value as number) > 0)) wrong(field, 'a positive number', value)
  }
  const fields = (value: unknown, field: string, checks: Readonly<Record<string, Check>>): void => {
    const known = object(value, field)
    for (const [key, check] of Object.entries(checks)) check(known[key], `${field}.${key}`)
  }
  const sizes =
    (names: readonly string[]): Check =>
    (value, field) =>
      fields(value, field, Object.fromEntries(names.map((key) => [key, size])))
  const optional =
    (check: Check): Check =>
    (value, field) => {
      if (value !== undefined) check(value, field)
    }
  const forwardTile: Check = (value, field) => {
    if (value === 'subgroup-matrix' || value === 'decode') return
    if (typeof value === 'object' && value !== null && 'subgroups' in value) {
      return sizes(matrixTileSizeNames)(value, field)
    }
    sizes(forwardTileSizes)(value, field)
    fields(value, field, { probabilitiesInChunks: optional(flag) })
  }
  const kernel =
    (tile: Check): Check =>
    (value, field) => {
      fields(value, field, {
        best: tile,
        speedUp: positive,
        measured: (items, at) =>
          list(items, at, (item, place) =>
            fields(item, place, { tile, milliseconds: positive, samples: size }),
          ),
        skipped: (items, at) =>
          list(items, at, (item, place) => fields(item, place, { tile, reason: text })),
      })
    }
  const gradient = kernel((value, field) => {
    if (value === 'subgroup-matrix') return
    sizes(backwardTileSizes)(value, field)
    fields(value, field, { teams: optional(size), parts: optional(size) })
  })
  const entry: Check = (value, field) =>
    fields(value, field, {
      dtype: (dtype, at) => {
        if (!isDType(dtype)) wrong(at, 'float32, float16 or bfloat16', dtype)
      },
      headDim: size,
      valueDim: size,
      queryLengths: (lengths, at) => fields(lengths, at, { from: size, to: optional(size) }),
      masked: flag,
      call: (call, at) => {
        sizes(['batch', 'heads', 'kvHeads', 'queryLength', 'keyLength'])(call, at)
        fields(call, at, { mask: optional(text) })
      },
      forward: kernel(forwardTile),
      backward: optional((tiles, at) =>
        fields(tiles, at, { kernels: text, query: gradient, key: gradient }),
      ),
    })

  fields(value, name, {
    schema: (schema, field) => {
      if (schema !== tuningSchema) wrong(field, tuningSchema, schema)
    },
    created: text,
    kernels: text,
    device: (device, field) =>
      fields(device, field, {
        adapter: (adapter, at) =>
          fields(adapter, at, {
            vendor: text,
            architecture: text,
            device: text,
            description: text,
          }),
        shaderFloat16: flag,
        subgroupMatrices: flag,
        maxComputeWorkgroupStorageSize: size,
        maxComputeInvocationsPerWorkgroup: size,
      }),
    clock: (clock, field) => {
      if (clock !== 'gpu-timestamps' && clock !== 'wall-clock') {
        wrong(field, 'gpu-timestamps or wall-clock', clock)
      }
    },
    entries: (entries, field) => list(entries, field, entry),
  })
  return value as TuningRecord
}
