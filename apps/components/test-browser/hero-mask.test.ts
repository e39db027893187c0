// The home page's picture in a browser: masks to choose, and this GPU's times for them.
import { afterEach, expect, test } from 'vitest'
import { page } from 'vitest/browser'
import { createApp } from 'vue'
import { HeroMask } from '../src/mask/index.ts'

let app: ReturnType<typeof createApp> | undefined
afterEach(() => {
  app?.unmount()
  document.body.replaceChildren()
})

test('a mask is chosen and timed, or the page says that there is no GPU', async () => {
  app = createApp(HeroMask)
  app.mount(document.body.appendChild(document.createElement('div')))
  const share = (): string => page.getByText(/of the tiles are computed/).element().textContent
  const first = share()
  await page.getByRole('button', { name: 'BigBird' }).click()
  await expect
    .element(page.getByRole('button', { name: 'BigBird' }))
    .toHaveAttribute('aria-pressed', 'true')
  expect(share()).not.toBe(first)
  await page.getByRole('button', { name: 'Time it on this GPU' }).click()
  const outcome = page.getByText(/tokens on .* ms, causal .* ms, all pairs .* ms|No GPU here: ./)
  await expect.element(outcome, { timeout: 120_000 }).toBeVisible()
})
