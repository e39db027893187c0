// Properties that may be left out, as every options object here has them: `undefined` is the same as
// leaving one out, so that `mask: long ? window : undefined` compiles under any compiler options.

/** Any of these properties; `undefined` is as good as leaving one out. */
export type Optional<Properties> = {
  readonly [Name in keyof Properties]?: Properties[Name] | undefined
}

/**
 * Settings over their defaults: what is given, but for `undefined`, which leaves the default.
 *
 * @example
 * ```ts
 * import { withDefaults } from '@attn/core'
 * withDefaults({ tile: 32, rows: 4 }, { tile: 64, rows: undefined }) // => { tile: 64, rows: 4 }
 * ```
 */
export function withDefaults<Settings extends object>(
  defaults: Settings,
  ...given: readonly (Optional<Settings> | undefined)[]
): Settings {
  const result = { ...defaults }
  for (const settings of given) {
    for (const name of Object.keys(settings ?? {}) as (keyof Settings)[]) {
      const value = settings![name]
      if (value !== undefined) result[name] = value
    }
  }
  return result
}
