// Core with its work counted, looks at rectangles and pairs that are asked: how much a plan or a picture is, whatever
// else the machine does.
import { afterAll, beforeAll, beforeEach, vi } from 'vitest'

type Core = typeof import('../../src/index.ts')

/** Core loaded anew, with the counts of this test. */
export interface CountedWork {
  readonly core: Core
  /** How often bounds of a rectangle were asked for. */
  readonly looks: number
  /** How often an expression was evaluated. */
  readonly asked: number
}

/** To be called once in a test file; the result is there when its tests run. */
export function countWork(): CountedWork {
  let core: Core | undefined
  let [looks, asked] = [0, 0]
  const bounds = '../../src/expression/bounds.ts'
  const evaluation = '../../src/expression/evaluate.ts'
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
    vi.doMock(import('../../src/expression/evaluate.ts'), async (original) => {
      const actual = await original()
      return {
        ...actual,
        compile: (expression, environment) => {
          const evaluate = actual.compile(expression, environment)
          return (point) => {
            asked++
            return evaluate(point)
          }
        },
      }
    })
    core = await import('../../src/index.ts')
  })
  afterAll(() => {
    vi.doUnmock(bounds)
    vi.doUnmock(evaluation)
    vi.resetModules()
  })
  beforeEach(() => {
    ;[looks, asked] = [0, 0]
  })
  return {
    get core() {
      if (core === undefined) throw new Error('core is loaded when the tests begin')
      return core
    },
    get looks() {
      return looks
    },
    get asked() {
      return asked
    },
  }
}
