// The guard of refactorings: what every plan of the corpus asks of WebGPU, as hashes in `plans.txt`.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { adapters } from './adapters.ts'
import { replayedCalls } from './corpus.ts'
import { hashLine, replayAll, touchedPlans } from './replay.ts'

const file = new URL('plans.txt', import.meta.url)
const update = 'pnpm replay --update'

test('every plan asks of WebGPU what it asked before', { timeout: 300_000 }, async () => {
  const lines = (await replayAll()).map(hashLine)
  expect(lines).toHaveLength(adapters.length * replayedCalls.length)
  const before = readFileSync(file, 'utf8').trimEnd().split('\n')
  const touched = touchedPlans(before, lines)
  const shown = touched.slice(0, 40).join('\n  ')
  expect(
    touched,
    `${touched.length} of ${lines.length} plans changed:\n  ${shown}\nWhere that is meant: ${update}`,
  ).toEqual([])
})

test('names of plans are unique, and a change names what it touches', () => {
  const names = replayedCalls.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(touchedPlans(['a | one | x', 'b | two | y'], ['a | one | x', 'b | two | z'])).toEqual([
    'b | two',
  ])
})
