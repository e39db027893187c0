// What a picture costs, counted in work and not in time, which a busy machine would change: rectangles whose bounds are
// looked at and pairs that are asked whether they are visible. A core of 2023 does seven million of them a second, so that
// these limits are a tenth of a second after a keystroke at 4,096 tokens and a second at a million.
import { beforeAll, describe, expect, test } from 'vitest'
import { countWork } from '../../../packages/core/test/sparsity/counted-work.ts'
import type { makePicture as make } from '../src/rooms/mask/picture/make-picture.ts'
import type { rowReader as read } from '../src/rooms/mask/picture/row.ts'
import { maskChoices, ownMask } from '../src/rooms/mask/settings/masks.ts'
import {
  asOwnExpression,
  attentionOptions,
  initialSettings,
  withInitialValues,
  type Settings,
} from '../src/rooms/mask/settings/settings.ts'

const counted = countWork()
const workSoFar = (): number => counted.looks + counted.asked
let makePicture: typeof make
let rowReader: typeof read

// With the core that is counted.
beforeAll(async () => {
  ;({ makePicture } = await import('../src/rooms/mask/picture/make-picture.ts'))
  ;({ rowReader } = await import('../src/rooms/mask/picture/row.ts'))
})

/** A pattern at a length, by its own build or as the text that a visitor would type. */
function preset(mask: string, length: number, text?: string): Settings {
  const chosen = withInitialValues({ ...initialSettings, mask, values: {} })
  const width = mask === 'neighbourhood' && { width: Math.sqrt(length) }
  const settings = { ...chosen, values: { ...chosen.values, L: length, ...width } }
  return text === undefined ? settings : asOwnExpression(settings, text)
}

const patterns = maskChoices.filter((choice) => choice !== ownMask)
const drawn = patterns.flatMap(({ id, label, text }) => [
  { name: label, id, text: undefined },
  ...(text === undefined ? [] : [{ name: `${label}, typed`, id, text }]),
])

describe.each([
  { length: 4096, most: 700_000 },
  { length: 2 ** 20, most: 7_000_000 },
])('a picture of $length tokens', ({ length, most }) => {
  test.each(drawn)('$name', ({ id, text }) => {
    const settings = preset(id, length, text)
    const picture = makePicture({
      settings,
      tile: { queries: 64, keys: 64 },
      head: 0,
      moves: true,
    })
    const drawnWork = workSoFar()
    // What the page's own thread does for the query under the pointer.
    const { mask } = attentionOptions(settings)
    const sizes = { head: 0, heads: 4, queryLength: length, keyLength: length }
    rowReader(mask, sizes)(length >> 1)
    expect(drawnWork).toBeGreaterThan(0)
    expect(drawnWork).toBeLessThan(most)
    expect(workSoFar() - drawnWork).toBeLessThan(1.2 * length)
    // What the browser lays out is bounded as well.
    const { tiles, planned } = picture
    const runs = [tiles, ...planned.passes].map(
      ({ partialPath, fullPath }) => `${partialPath}${fullPath}`.split('M').length,
    )
    expect(Math.max(...runs)).toBeLessThanOrEqual(2 * 256 * 256)
  })
})
