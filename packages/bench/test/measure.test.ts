// The loop around a stopwatch, on stopwatches that lie in known ways.
import { describe, expect, test, vi } from 'vitest'
import { cpuStopwatch, measure } from '../src/measure/measure.ts'
import type { Stopwatch } from '../src/measure/measure.ts'

/** A stopwatch that says each run took what `each` returns, and remembers how often it ran. */
function scripted(each: (call: number) => number): Stopwatch & { readonly calls: number[] } {
  const calls: number[] = []
  return {
    clock: 'wall-clock',
    calls,
    time: async (iterations) => {
      calls.push(iterations)
      return each(calls.length - 1) * iterations
    },
  }
}

describe('measure', () => {
  test('repeats short work until a sample is long enough', async () => {
    const { iterations, samples, median } = await measure(
      scripted(() => 0.1),
      { samples: 4 },
    )
    expect(iterations).toBe(200)
    expect(samples).toHaveLength(4)
    expect(median).toBeCloseTo(0.1)
  })

  test('runs long work once per sample', async () => {
    const { iterations } = await measure(scripted(() => 30))
    expect(iterations).toBe(1)
  })

  test('throws warm-up away: it ends when two timings agree', async () => {
    const slowAtFirst = scripted((call) => (call < 3 ? 1000 / (call + 1) : 25))
    const { warmUps, maximum } = await measure(slowAtFirst, { samples: 3 })
    expect(warmUps).toBe(5)
    expect(maximum).toBe(25)
  })

  test('gives up warming up what never settles', async () => {
    const unsettled = scripted((call) => 20 + 10 * (call % 2))
    expect((await measure(unsettled, { warmUps: 6 })).warmUps).toBe(6)
  })

  test('warms up for as long as it is told to, however well the timings agree', async () => {
    // A clock rate that rises after 60 ms: without a least warm-up the first two timings settle it.
    const begun = performance.now()
    const idleAtFirst: Stopwatch = {
      clock: 'gpu-timestamps',
      time: async (iterations) => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        return (performance.now() - begun < 60 ? 50 : 10) * iterations
      },
    }
    const { maximum } = await measure(idleAtFirst, { samples: 3, warmUpMilliseconds: 120 })
    expect(maximum).toBe(10)
  })

  test('goes on where the clock has not moved at all', async () => {
    const stopwatch = scripted(() => 0)
    const coarse: Stopwatch = {
      clock: 'gpu-timestamps',
      // A clock with steps of 65 us, as in a browser, and work of 1 us.
      time: async (iterations) => {
        await stopwatch.time(iterations)
        return Math.floor((iterations * 0.001) / 0.065) * 0.065
      },
    }
    const { iterations, median, clock } = await measure(coarse, { sampleMilliseconds: 0.5 })
    expect(iterations).toBeGreaterThan(200)
    expect(median).toBeGreaterThan(0.0008)
    expect(median).toBeLessThan(0.0012)
    expect(clock).toBe('gpu-timestamps')
  })

  test('takes fewer samples when the budget is spent', async () => {
    const now = vi.spyOn(performance, 'now')
    try {
      let time = 0
      now.mockImplementation(() => time)
      const work = (duration: number): Stopwatch => ({
        clock: 'wall-clock',
        time: async (iterations) => {
          time += duration * iterations
          return duration * iterations
        },
      })
      expect((await measure(work(300), { budgetMilliseconds: 1000 })).samples).toHaveLength(3)
      expect((await measure(work(5000), { budgetMilliseconds: 1000 })).samples).toHaveLength(1)
      expect((await measure(work(50), { budgetMilliseconds: 1000 })).samples).toHaveLength(10)
    } finally {
      now.mockRestore()
    }
  })

  test.each([
    [{ samples: 0 }, 'measure: samples must be a positive integer, got 0'],
    [{ samples: 1.5 }, 'measure: samples must be a positive integer, got 1.5'],
    [{ sampleMilliseconds: -1 }, 'measure: sampleMilliseconds must be a positive number, got -1'],
    [{ budgetMilliseconds: Infinity }, 'measure: budgetMilliseconds must be a positive number'],
  ])('refuses %o', async (options, message) => {
    await expect(
      measure(
        scripted(() => 1),
        options,
      ),
    ).rejects.toThrow(message)
  })
})

test('a stopwatch around a function runs it as often as told and waits for promises', async () => {
  let finished = 0
  const stopwatch = cpuStopwatch(async () => {
    await Promise.resolve()
    finished++
  })
  expect(await stopwatch.time(7)).toBeGreaterThanOrEqual(0)
  expect(finished).toBe(7)
})
