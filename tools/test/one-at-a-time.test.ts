// Processes that want to do the same work wait for one another, and for none that has ended in the middle of it.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { oneAtATime } from '../one-at-a-time.ts'

const folder = mkdtempSync(join(tmpdir(), 'attn-locks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('two processes never work at once', async () => {
  const log = join(folder, 'log')
  const program = `
    const { appendFileSync } = await import('node:fs')
    const { oneAtATime } = await import(${JSON.stringify(join(import.meta.dirname, '../one-at-a-time.ts'))})
    for (let i = 0; i < 5; i++) {
      oneAtATime('work', () => {
        appendFileSync(${JSON.stringify(log)}, '(')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30)
        appendFileSync(${JSON.stringify(log)}, ')')
      }, ${JSON.stringify(folder)})
    }`
  const ended = [1, 2, 3].map(
    () =>
      new Promise((resolve) => {
        const parameters = [...process.execArgv, '--input-type=module', '--eval', program]
        spawn(process.execPath, parameters, { stdio: 'inherit' }).on('exit', resolve)
      }),
  )
  expect(await Promise.all(ended)).toEqual([0, 0, 0])
  expect(readFileSync(log, 'utf8')).toBe('()'.repeat(15))
}, 60_000)

test('what a process left behind long ago is taken over, and the lock given back', () => {
  const lock = join(folder, 'left')
  mkdirSync(lock)
  utimesSync(lock, new Date(0), new Date(0))
  expect(oneAtATime('left', () => 'done', folder)).toBe('done')
  expect(() =>
    oneAtATime(
      'left',
      () => {
        throw new Error('failed')
      },
      folder,
    ),
  ).toThrow('failed')
  expect(oneAtATime('left', () => 'again', folder)).toBe('again')
})
