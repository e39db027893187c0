// Options by name: one that is not known would be ignored in JavaScript, and the call would compute
// something else than what was asked for. Every function that takes options asks here first.
import { typeError } from './errors.ts'

/** The names of options, each once: written as an object so that the compiler misses none. */
export type OptionNames<Options> = Readonly<Record<keyof Required<Options>, true>>

/**
 * Checks that what was given are options, and that all of them are known. Options of value undefined
 * are as good as not given.
 *
 * @param caller - What the message begins with.
 * @param names - Those there are.
 * @param elsewhere - What to write instead of options that others have, by name in small letters.
 * @throws TypeError for something that is no object, and for a name that is not known, with the nearest
 *   thing there is.
 *
 * @example
 * ```ts
 * import { checkOptions } from '@attn/core'
 * const check = (options: object) => checkOptions('blur', options, { radius: true, edges: true })
 * check({ raduis: 3 }) // => throws TypeError: blur: there is no option raduis; did you mean radius?
 * check({ sigma: 3 }) // => throws TypeError: blur: there is no option sigma; there are radius, edges
 * check({ radius: 3, edges: undefined }) // => undefined
 * ```
 */
export function checkOptions(
  caller: string,
  options: unknown,
  names: Readonly<Record<string, true>>,
  elsewhere: Readonly<Record<string, string>> = {},
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const got = options === null ? 'null' : Array.isArray(options) ? 'an array' : typeof options
    throw typeError(`${caller}: options must be an object, got ${got}`)
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(names, name) || (options as Record<string, unknown>)[name] === undefined) {
      continue
    }
    throw typeError(
      `${caller}: there is no option ${name}; ${remedy(name, Object.keys(names), elsewhere)}`,
      'ATTN_OPTION',
    )
  }
}

/** Names in the one spelling they are compared in. */
const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')

function remedy(
  name: string,
  names: readonly string[],
  elsewhere: Readonly<Record<string, string>>,
): string {
  const wanted = plain(name)
  const other = elsewhere[wanted]
  if (other) return `write ${other}`
  const near = names
    .map((candidate) => ({ candidate, edits: editsBetween(wanted, plain(candidate)) }))
    .toSorted((a, b) => a.edits - b.edits)[0]
  return near && near.edits <= Math.max(2, wanted.length / 4)
    ? `did you mean ${near.candidate}?`
    : `there are ${names.join(', ')}`
}

/** Letters to add, leave out or change to make one word of another (Levenshtein, 1966). */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const change = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[to.length]!
}
