// Read when the site is built: which kernels were executed where, as tools/check-kernels.ts wrote it.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { KernelReport } from '../../../tools/kernels/report.ts'
import { resultFiles } from '../results.ts'

/** The record; null in a checkout that has none, since what is loaded has to be JSON. */
type Coverage = KernelReport | null

declare const data: Coverage
export { data }

/** @public VitePress calls it. */
export default {
  watch: ['../../results/kernels.json'],
  load(): Coverage {
    const file = resultFiles().find((each) => basename(each) === 'kernels.json')
    return file === undefined ? null : (JSON.parse(readFileSync(file, 'utf8')) as KernelReport)
  },
}
