import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { winner } from '../../src/tune/contest.ts'
import { measureRounds } from '../../src/tune/measure-rounds.ts'

describe('measureRounds', () => {
  let now = 0
  beforeEach(() => {
    now = 0
    vi.spyOn(performance, 'now').mockImplementation(() => now)
  })
  afterEach(() => void vi.restoreAllMocks())

  /** Work of so many milliseconds on a device that is five times slower in its first second. */
  const timer = (milliseconds: number, log: number[] = []) => {
    return async (runs: number): Promise<number> => {
      log.push(milliseconds)
      const elapsed = runs * milliseconds * (now < 1000 ? 5 : 1)
      now += elapsed
      return Promise.resolve(elapsed)
    }
  }
  const options = {
    warmUpMilliseconds: 1000,
    budgetMilliseconds: 3000,
    sampleMilliseconds: 10,
    onStep: () => {},
  }

  it('has the times of a warm device, whoever came first', async () => {
    const results = await measureRounds([timer(2), timer(1), timer(0.01)], options)
    expect(results.map(({ milliseconds }) => milliseconds)).toEqual([2, 1, expect.closeTo(0.01)])
    expect(results.every(({ samples }) => samples === 25)).toBe(true)
  })

  it('takes turns', async () => {
    const log: number[] = []
    await measureRounds([timer(2, log), timer(1, log)], options)
    expect(log.every((which, index) => which === (index % 2 === 0 ? 2 : 1))).toBe(true)
  })

  it('ends after the budget, but has a sample of each', async () => {
    const short = await measureRounds([timer(100), timer(200)], options)
    expect(now).toBeLessThanOrEqual(3300)
    expect(short.every(({ samples }) => samples > 2)).toBe(true)
    const none = await measureRounds([timer(5000), timer(9000)], options)
    expect(none).toEqual([
      { milliseconds: 5000, samples: 1 },
      { milliseconds: 9000, samples: 1 },
    ])
  })

  it('repeats what is too short for the clock', async () => {
    const most: number[] = []
    const coarse = async (runs: number): Promise<number> => {
      most.push(runs)
      now += 50
      return Promise.resolve(runs < 500 ? 0 : runs * 0.02)
    }
    const [result] = await measureRounds([coarse], options)
    expect(most[0]).toBe(1)
    expect(Math.max(...most)).toBe(1000)
    expect(result!.milliseconds).toBeCloseTo(0.02)
  })

  it('ends at once where a step throws', async () => {
    const stop = async (): Promise<unknown> =>
      measureRounds([timer(1)], {
        ...options,
        onStep: () => {
          throw new Error('aborted')
        },
      })
    await expect(stop()).rejects.toThrow('aborted')
    expect(now).toBe(0)
  })
})

describe('winner', () => {
  const times = (...milliseconds: number[]) =>
    winner(milliseconds.map((time, tile) => ({ tile, milliseconds: time, samples: 1 })))

  it('is the fastest', () => {
    expect(times(3, 4, 2)).toMatchObject({ best: 2, speedUp: 1.5 })
  })

  it("stays the planner's own choice for what may be noise", () => {
    expect(times(3, 2.96)).toMatchObject({ best: 0, speedUp: 1 })
  })
})
