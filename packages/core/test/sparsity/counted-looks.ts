// Core with its looks at rectangles counted: how much work a plan is, whatever else the machine does.
import { afterAll, beforeAll, beforeEach, vi } from 'vitest'

type Core = typeof import('../../src/index.ts')

/** Core loaded anew, with a count of how often bounds of a rectangle were asked for in this test. */
export interface CountedLooks {
  readonly core: Core
  readonly looks: number
}

/** To be called once in a test file; the result is there when its tests run. */
export function countLooks(): CountedLooks {
  let core: Core | undefined
  let looks = 0
  const bounds = '../../src/expression/bounds.ts'
  beforeAll(async () => {
    // Other files of the same worker have loaded core already.
    vi.resetModules()
    vi.doMock(import('../../src/expression/bounds.ts'), async (original) => {
      const actual = await original()
      return {
        ...actual,
        compileBounds: (expression, environment) => {
          const evaluate = actual.compileBounds(expression, environment)
          return (box) => {
            looks++
            return evaluate(box)
          }
        },
      }
    })
    core = await import('../../src/index.ts')
  })
  afterAll(() => {
    vi.doUnmock(bounds)
    vi.resetModules()
  })
  beforeEach(() => {
    looks = 0
  })
  return {
    get core() {
      if (core === undefined) throw new Error('core is loaded when the tests begin')
      return core
    },
    get looks() {
      return looks
    },
  }
}
