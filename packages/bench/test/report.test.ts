// Table, numbers, summary, chart and JSON of a run that never happened.
import { describe, expect, test } from 'vitest'
import { browserEquivalent } from '../src/device/dawn-flags.ts'
import { formatBytes, formatLength, threeDigits } from '../src/report/format.ts'
import { createProgressBar } from '../src/report/progress.ts'
import { allVerified, parseRunReport, toJson } from '../src/report/run-report.ts'
import type { RunReport } from '../src/report/run-report.ts'
import { formatConfiguration, formatHeader } from '../src/report/summary.ts'
import { drawChart } from '../src/report/svg.ts'
import { formatTable } from '../src/report/table.ts'
import type { Measured, Outcome } from '../src/suites/outcome.ts'

function measured(median: number, memoryBytes: number, error = 1e-7): Measured {
  const time = { median, minimum: median, maximum: median, samples: [median, median] }
  return {
    status: 'measured',
    time: { ...time, clock: 'gpu-timestamps', iterations: 3, warmUps: 2 },
    operations: 8e9 * median,
    teraflops: 8,
    memoryBytes,
    verification: {
      rows: 24,
      error,
      plainError: 2e-7,
      allowedError: 4e-7,
      passed: error <= 4e-7,
    },
  }
}

function report(standard: Outcome = measured(4, 2 ** 30)): RunReport {
  const outcomes = { flash: measured(2, 65_536), windowFlash: measured(0.5, 66_000) }
  return {
    schema: 'attn-run/1',
    created: '2026-11-22T00:00:00.000Z',
    environment: {
      attn: '0.0.0',
      runtime: 'Node 24.21.0',
      platform: 'Linux 6 x64',
      webgpu: '0.6.2',
    },
    problem: {
      batch: 1,
      heads: 16,
      headDim: 64,
      dtype: 'float32',
      lengths: [4096, 16384],
      causal: false,
      window: 512,
    },
    configurations: [
      {
        device: {
          kind: 'gpu',
          name: 'ACME <One>',
          description: 'driver 1.2',
          vendor: 'acme',
          architecture: 'one',
          backend: 'Dawn (Vulkan)',
          flags: browserEquivalent,
          features: ['timestamp-query'],
          limits: { maxBufferSize: 2 ** 31 },
        },
        results: [
          { length: 4096, outcomes: { standard, ...outcomes } },
          {
            length: 16384,
            outcomes: { ...outcomes, standard: { status: 'skipped', reason: 'needs 17.2 GB' } },
          },
        ],
      },
    ],
  }
}

describe('numbers for people', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [999_600, '1.00 MB'],
    [2 ** 34, '17.2 GB'],
    [1e18, '1000 PB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

  test.each([
    [0, '0'],
    [0.01234, '0.0123'],
    [0.9996, '1.00'],
    [1.5, '1.50'],
    [99.96, '100'],
    [123.4, '123'],
    [12_345, '12300'],
  ])('%d is %s', (value, text) => expect(threeDigits(value)).toBe(text))

  test('lengths are in k where k divides them', () => {
    expect([100, 1024, 1500, 65_536].map(formatLength)).toEqual(['100', '1k', '1500', '64k'])
  })
})

describe('formatTable', () => {
  const columns = [
    { group: '', title: 'length' },
    { group: 'standard', title: 'ms' },
    { group: 'standard', title: 'TFLOP/s' },
    { group: 'a long heading over one', title: 'x' },
  ]

  test('sets numbers flush right under grouped headings', () => {
    expect(formatTable(columns, [['1k', '0.5', '12.3', 'y']]).split('\n')).toEqual([
      '         standard       a long heading over one',
      'length    ms  TFLOP/s                         x',
      '    1k   0.5     12.3                         y',
    ])
  })

  test('refuses rows of another size', () => {
    expect(() => formatTable(columns, [['1k']])).toThrow(
      'formatTable: a row must have 4 cells, got 1',
    )
  })
})

describe('summary', () => {
  const { environment, problem, configurations } = report()
  const [configuration] = configurations

  test('says what ran where and under which flags', () => {
    const header = formatHeader(configuration!.device, environment, problem)
    expect(header).toContain('ACME <One> (GPU; driver 1.2)')
    expect(header).toContain('browser-equivalent')
    expect(header).toContain('off: timestamp_quantization')
    expect(header).toContain('16 heads of dim 64')
  })

  test('shows times, speed-ups, memory, and why something is missing', () => {
    const lines = formatConfiguration(configuration!, problem).split('\n')
    const row = lines.find((line) => line.trimStart().startsWith('4k'))!
    expect(row.trim().split(/\s{2,}/)).toEqual([
      '4k',
      '4.00',
      '8.00',
      '2.00',
      '8.00',
      '2.00x',
      '0.500',
      '4.00x',
      '1.07 GB',
      '65.5 kB',
      '66.0 kB',
    ])
    expect(lines.find((line) => line.trimStart().startsWith('16k'))).toContain('needs 17.2 GB')
    expect(lines.at(-1)).toBe(
      'times are medians of 2 samples after warm-up, by GPU timestamp queries',
    )
  })

  test('says loudly what is wrong, and where', () => {
    const wrong = report(measured(4, 2 ** 30, 1e-3))
    expect(formatConfiguration(wrong.configurations[0]!, problem)).toContain('WRONG at length 4k')
    expect(allVerified(wrong)).toBe(false)
    expect(allVerified(report())).toBe(true)
  })
})

describe('JSON file', () => {
  test('holds every sample and comes back as it was', () => {
    const text = toJson(report())
    expect(parseRunReport(text)).toEqual(report())
  })

  test.each([
    ['no JSON', 'the text must be JSON'],
    ['null', 'schema must be attn-run/1, got undefined'],
    ['{"schema":"attn-run/9"}', 'schema must be attn-run/1, got attn-run/9'],
    ['{"schema":"attn-run/1","created":"","environment":{}}', 'lacks problem, configurations'],
    [
      '{"schema":"attn-run/1","created":"","environment":{},"problem":{},"configurations":1}',
      'lacks configurations',
    ],
  ])('refuses %s', (text, message) => {
    expect(() => parseRunReport(text)).toThrow(message)
  })
})

describe('chart', () => {
  test('has a line per method, a point per time, and names that are escaped', () => {
    const chart = drawChart(report())
    for (const label of ['standard', 'flash', 'flash, window'])
      expect(chart).toContain(`>${label}<`)
    expect(chart).toContain('ACME &lt;One&gt;')
    expect(chart).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('of one length is bars, with the times as text', () => {
    const { configurations, ...rest } = report()
    const first = configurations[0]!
    const one = { ...first, results: first.results.slice(0, 1) }
    const chart = drawChart({ ...rest, configurations: [one] })
    expect(chart).toContain('aria-label="bar"')
    expect(chart).not.toContain('aria-label="line"')
  })

  test('refuses a run without a time', () => {
    expect(() => drawChart({ ...report(), configurations: [] })).toThrow(
      'at least one measured time',
    )
  })
})

describe('progress bar', () => {
  const write = (isTTY: boolean): string[] => {
    const written: string[] = []
    const bar = createProgressBar({ isTTY, columns: 30, write: (text) => written.push(text) })
    bar.update({ done: 1, total: 4, label: 'flash, length 4096' })
    bar.clear()
    return written
  }

  test('rewrites one line of a terminal, cut to its width, and removes it', () => {
    const [line, end] = write(true)
    expect(line).toBe(`\r\u001b[2K${'█'.repeat(6)}${'░'.repeat(18)} 1/4 `)
    expect(end).toBe('\r\u001b[2K')
  })

  test('writes a line to files and pipes every ten seconds', () => {
    expect(write(false)).toEqual([])
    const written: string[] = []
    let now = 0
    const bar = createProgressBar({ write: (text) => written.push(text) }, () => now)
    for (now = 0; now <= 25_000; now += 5000) bar.update({ done: now, total: 4, label: 'flash' })
    bar.clear()
    expect(written).toEqual(['10000/4 flash\n', '20000/4 flash\n'])
  })
})
