// Programs that tests run: what they print, why they fail, and the second chance after a crash in native code.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { runProgram } from '../run-program.ts'

const folder = mkdtempSync(join(tmpdir(), 'attn-run-program-'))
afterAll(() => rmSync(folder, { recursive: true }))
const run = (code: string): string => runProgram(process.execPath, ['-e', code], folder)

describe('runProgram', () => {
  test('gives what was printed', () => {
    expect(run('console.log(7)')).toBe('7\n')
  })

  test('a failure counts at once, with status and output', () => {
    const marker = join(folder, 'failed')
    const code = `require('fs').appendFileSync(${JSON.stringify(marker)}, 'x'); console.error('no'); process.exit(3)`
    expect(() => run(code)).toThrow(/exit status 3.*\nno/s)
    expect(run(`console.log(require('fs').readFileSync(${JSON.stringify(marker)}, 'utf8'))`)).toBe(
      'x\n',
    )
  })

  test('a crash in native code is tried once more, and fails the second time', () => {
    const marker = join(folder, 'crashed')
    writeFileSync(marker, '')
    const crashesOnce = `const fs = require('fs'); const m = ${JSON.stringify(marker)}
      if (fs.readFileSync(m, 'utf8') === '') { fs.writeFileSync(m, 'x'); process.abort() }
      console.log('well')`
    expect(run(crashesOnce)).toBe('well\n')
    expect(() => run('process.abort()')).toThrow(/SIGABRT/)
  })
})
