// The lecture without a device: every claim has a row, whatever is not there, and the page needs nothing else.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { claims } from '../src/lecture/claims.ts'
import { lectureHtml } from '../src/lecture/html.ts'
import { commandOf } from '../src/lecture/reports.ts'
import { commandRunner } from '../src/lecture/run-command.ts'
import { runLecture, topics } from '../src/lecture/run-lecture.ts'
import type { LectureReport } from '../src/lecture/run-lecture.ts'
import { formatLecture, formatRow } from '../src/lecture/summary.ts'

const environment = { attn: '0', runtime: 'test', platform: 'test' }
const runCommand = (): Promise<unknown> => Promise.reject(new Error('not in this test'))

/** What a run on some device would give. */
const partitionReport = {
  schema: 'attn-partition/1',
  created: '',
  environment,
  device: { kind: 'gpu', name: 'a <GPU>', description: '' },
  headDim: 64,
  results: [1, 128].map((heads) => ({
    heads,
    length: 4096,
    outcomes: Object.fromEntries(
      Object.entries({
        keysOutside: 9,
        wholeHeads: 8,
        queryTiles: heads === 1 ? 1 : 6,
        library: 1,
      }).map(([name, median]) => [
        name,
        { status: 'measured', time: { median }, verification: { passed: true } },
      ]),
    ),
  })),
}

describe('attn lecture', () => {
  let report: LectureReport

  test('has a row for each of the 26 claims, in the order of the lecture', async () => {
    const told: number[] = []
    report = await runLecture({
      given: [partitionReport],
      runCommand,
      environment,
      onRow: ({ number }) => told.push(number),
    })
    const all = Array.from({ length: 26 }, (_, index) => index + 1)
    expect(claims.map(({ number }) => number)).toEqual(all)
    expect(report.rows.map(({ number }) => number)).toEqual(all)
    expect(told).toEqual(all)
  })

  test('every claim is examined by one topic', () => {
    const examined = topics.flatMap(({ examinations }) => Object.keys(examinations).map(Number))
    expect(examined.toSorted((a, b) => a - b)).toEqual(claims.map(({ number }) => number))
  })

  test('claims that need no device are judged, the others say why they were not run', () => {
    const verdicts = new Map(report.rows.map((row) => [row.number, row]))
    for (const number of [2, 4, 5, 6, 9, 13, 17])
      expect(verdicts.get(number)!.verdict).toBe('holds')
    for (const number of [3, 8, 15, 21]) {
      expect(verdicts.get(number)!.verdict).toBe('holds within limits')
      expect(verdicts.get(number)!.why).not.toBe('')
    }
    expect(verdicts.get(16)).toMatchObject({ verdict: 'does not hold here' })
    for (const row of report.rows.filter(({ verdict }) => verdict === 'not run')) {
      expect(row.why).toMatch(/\w{4,}/)
    }
  })

  test('a report that was given is taken as it is', () => {
    const row = report.rows.find(({ number }) => number === 26)!
    expect(row).toMatchObject({ verdict: 'holds within limits' })
    expect(row.found).toBe('9.00 to 9.00 times faster with 1 head(s), 1.50 to 1.50 times with 128')
  })

  test('only what is asked for', async () => {
    const { rows } = await runLecture({ only: ['2', 'laboratory'], runCommand, environment })
    expect(rows.map(({ number }) => number)).toEqual([1, 2, 7, 10, 11, 14, 18, 19])
    await expect(runLecture({ only: ['flush'], runCommand, environment })).rejects.toThrow(
      'attn lecture: only must name patterns, positions, flash, laboratory or claims from 1 to 26, got flush',
    )
  })

  test('refuses files of something else', async () => {
    await expect(
      runLecture({ given: [{ schema: 'attn-peers/1' }], runCommand, environment }),
    ).rejects.toThrow('attn lecture: a file must hold a report of attn-run/1')
  })

  test('the page has every claim and figure, escapes names, and asks nothing of a network', () => {
    const html = lectureHtml(report)
    for (const number of [1, 26]) expect(html).toContain(`<section id="claim-${number}">`)
    const figures = report.rows.flatMap((row) => row.figures ?? [])
    expect(figures.length).toBeGreaterThan(10)
    expect(html.match(/<figure>/g)).toHaveLength(figures.length)
    expect(html).toContain('a &lt;GPU&gt;')
    expect(html).not.toMatch(/<script|<link|src=|@import|url\(/)
    const addresses = [...html.matchAll(/https?:[^"'\s<]+/g)].map(([address]) => address)
    expect(addresses.filter((address) => address !== 'http://www.w3.org/2000/svg')).toEqual([])
  })

  test('is printed: each claim, then a table of verdicts', () => {
    expect(formatRow(report.rows[1]!)).toContain('found: 0 of 16384 pairs differ')
    const text = formatLecture(report)
    expect(text).toMatch(/26 +within limits +FlashAttention-2 is twice as fast/)
    expect(text).toMatch(/26 claims in \d+ s/)
  })
})

describe('the commands that the lecture runs', () => {
  test('suit the device', () => {
    expect(commandOf('attn-run/1', 'gpu', true)).toContain('1k,4k,16k')
    expect(commandOf('attn-run/1', 'software', false)).toContain('--backward')
    expect(commandOf('attn-run/1', 'cpu', false)).not.toContain('--backward')
    expect(() => commandOf('attn-device/1', 'cpu', false)).toThrow('needs WebGPU')
    expect(() => commandOf('attn-extrapolate/1', 'gpu', true)).toThrow('run attn extrapolate')
  })

  const folder = mkdtempSync(join(tmpdir(), 'attn-test-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const program = (name: string, text: string): string => {
    const file = join(folder, name)
    writeFileSync(file, text)
    return file
  }

  test('give what they write, also where they end with 1', async () => {
    const file = program(
      'writes.mjs',
      `import { writeFileSync } from 'node:fs'
       writeFileSync(process.argv.at(-1), JSON.stringify(process.argv.slice(2, -2)))
       process.exitCode = 1`,
    )
    expect(await commandRunner(file, 60)(['run', '--x'])).toEqual(['run', '--x'])
  })

  test('say what went wrong, without what drivers say', async () => {
    const file = program(
      'fails.mjs',
      "process.stderr.write('Warning: a driver\\nattn: no device\\n'); process.exitCode = 2",
    )
    await expect(commandRunner(file, 60)(['device'])).rejects.toThrow(/^no device$/)
    await expect(commandRunner(program('quiet.mjs', ''), 60)(['device'])).rejects.toThrow(
      'attn device wrote nothing',
    )
  })

  test('are ended when the time is over', async () => {
    const file = program('hangs.mjs', 'setInterval(() => {}, 1000)')
    const run = commandRunner(file, 1.5)
    await expect(run(['run'])).rejects.toThrow('the 1.5 seconds that --seconds allows were over')
    await expect(run(['run'])).rejects.toThrow('were over')
  })
})
