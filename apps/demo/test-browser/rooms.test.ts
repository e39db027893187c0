// Every room, light and dark, on a desktop and on a phone: it opens, nothing sticks out, the console is quiet
// and axe has no complaint.
import { afterEach, describe, expect, test } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import { rooms } from '../src/rooms.ts'
import { closePage, expectClean, expectNoOverflow, layoutShift, openPage } from './open-page.ts'

afterEach(closePage)

const screens = [
  { width: 1440, height: 900 },
  { width: 390, height: 844 },
] as const

/** Cards of a room before anything is done in it. */
const cards: Readonly<Record<string, number>> = {
  mask: 3,
  stepper: 1,
  position: 5,
  cache: 3,
  device: 3,
}

describe.each(rooms)('$title', ({ id, title, lesson }) => {
  test.each(screens)('at $width pixels, light and dark', async ({ width, height }) => {
    await page.viewport(width, height)
    openPage(`#/${id}`)
    await expect
      .element(page.getByRole('heading', { name: title, level: 1 }), { timeout: 60_000 })
      .toBeVisible()
    await expect.element(page.getByText(lesson)).toBeVisible()
    await expect
      .element(page.getByText(/^GPU: |gives the page no GPU/), { timeout: 60_000 })
      .toBeVisible()
    // The cards that come after the room are there as well.
    await expect
      .poll(() => document.querySelectorAll('.card').length, { timeout: 60_000 })
      .toBeGreaterThanOrEqual(cards[id]!)
    const shift = await layoutShift()
    expect(shift).toBeLessThan(0.1)
    for (const theme of ['light', 'dark']) {
      if (document.documentElement.dataset['theme'] !== theme) {
        await userEvent.click(page.getByRole('button', { name: `Switch to ${theme}` }))
      }
      expect(getComputedStyle(document.documentElement).colorScheme).toBe(theme)
      expectNoOverflow()
      await expectClean()
    }
  })
})

test('the bar leads from room to room', async () => {
  await page.viewport(1440, 900)
  openPage('#/mask')
  for (const { id, title } of rooms) {
    await userEvent.click(page.getByRole('navigation').getByRole('link', { name: title }))
    await expect
      .element(page.getByRole('heading', { name: title, level: 1 }), { timeout: 60_000 })
      .toBeVisible()
    expect(location.hash).toMatch(new RegExp(`^#/${id}`))
  }
})
