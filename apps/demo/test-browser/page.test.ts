// The page in a real browser: it loads, runs on whatever GPU there is, checks itself, and refuses bad
// sizes with a reason.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { closePage, openPage } from './open-page.ts'

const gpu = await acquireGpu()
const patience = { timeout: 240_000 }

afterEach(closePage)

const run = (): Promise<void> => userEvent.click(page.getByRole('button', { name: 'Run' }))

test('loads with a picture of the mask before anything ran', async () => {
  openPage()
  await expect.element(page.getByRole('heading', { name: 'attn', exact: true })).toBeVisible()
  await expect
    .element(page.getByRole('img', { name: /Tiles of the mask.*21 of 64 tiles are computed/ }))
    .toBeVisible()
  await expect.element(page.getByRole('button', { name: 'Run' })).toBeEnabled()
})

test('keeps the settings in the address, and takes them from it', async () => {
  openPage('#mask=causal&bias=alibi&dtype=float16&H=2&Hkv=1&L=96')
  await expect.element(page.getByLabelText('Length')).toHaveValue(96)
  await expect.element(page.getByLabelText('Element type')).toHaveValue('float16')
  await userEvent.selectOptions(page.getByRole('combobox', { name: 'Mask' }), 'Prefix LM')
  await userEvent.fill(page.getByLabelText('Prefix'), '17')
  await expect.poll(() => location.hash).toContain('mask=prefix-lm')
  expect(location.hash).toContain('prefix=17')
  expect(location.hash).toContain('bias=alibi')
})

test('draws a mask that the visitor writes, with its numbers, and says what is wrong with it', async () => {
  openPage(
    `#${new URLSearchParams({ mask: 'expression', expression: 'k <= q && q - k < width || k < 4', 'x-width': '64', L: '512' })}`,
  )
  await expect
    .element(page.getByRole('img', { name: /21 of 64 tiles are computed: 0 full and 21 partial/ }))
    .toBeVisible()
  await userEvent.fill(page.getByLabelText('width'), '512')
  await expect.element(page.getByRole('img', { name: /36 of 64 tiles are computed/ })).toBeVisible()
  const text = page.getByLabelText('k is seen by q where')
  await userEvent.fill(text, 'k <= ')
  await expect.element(text).toHaveAttribute('aria-invalid', 'true')
  await expect.element(page.getByText(/Expected expression/).first()).toBeVisible()
  await userEvent.fill(text, 'k == q')
  await expect.element(page.getByRole('img', { name: /8 of 64 tiles are computed/ })).toBeVisible()
  await expect
    .poll(() => new URLSearchParams(location.hash.slice(1)).get('expression'))
    .toBe('k == q')
})

test('an address with a hostile expression does nothing but show an error', async () => {
  const hostile = 'constructor.constructor("document.title = 1")() < 2'
  const title = document.title
  openPage(`#${new URLSearchParams({ mask: 'expression', expression: hostile })}`)
  await expect.element(page.getByRole('alert')).toMatchTextContent(/there are abs/)
  expect(document.title).toBe(title)
  await expect.element(page.getByRole('img', { name: /Tiles of the mask/ })).toBeVisible()
})

test('a pattern that the planner reorders shows its passes', async () => {
  openPage('#mask=strided&stride=64&L=4096&H=1&Hkv=1')
  await expect.element(page.getByText(/The planner lets tokens/)).toBeVisible()
  await expect
    .element(page.getByRole('img', { name: /Pass 2 over reordered tokens/ }))
    .toBeVisible()
})

describe('bad sizes', () => {
  beforeEach(() => openPage('#mask=causal&L=64&H=4&Hkv=4'))

  test('are named below their field, and nothing runs', async () => {
    const length = page.getByLabelText('Length')
    await userEvent.fill(length, '0')
    await expect.element(page.getByText('Length: must lie between 1 and 131,072')).toBeVisible()
    await expect.element(length).toHaveAttribute('aria-invalid', 'true')
    await run()
    await expect.element(length).toHaveFocus()
    expect(document.querySelector('[data-testid="verdict"]')).toBeNull()
  })

  test('that do not fit together are refused', async () => {
    await userEvent.fill(page.getByLabelText('Key/value heads'), '3')
    await expect.element(page.getByText(/must divide the 4 heads/)).toBeVisible()
  })

  test('that a pattern refuses show what it says', async () => {
    await userEvent.selectOptions(page.getByRole('combobox', { name: 'Mask' }), 'Neighbourhood')
    await userEvent.fill(page.getByLabelText('Kernel (odd)'), '4')
    await expect.element(page.getByRole('alert')).toMatchTextContent('kernel must be odd, got 4')
  })
})

describe.skipIf(!gpu)('on a GPU', () => {
  test.each([
    'mask=sliding-window&window=20&bias=none&dtype=float32&H=2&Hkv=2&L=160&D=32',
    'mask=causal&bias=alibi&dtype=float32&H=4&Hkv=2&L=100&D=16',
    'mask=full&bias=softcap&cap=5&dtype=float32&H=1&Hkv=1&L=64&D=64',
    'mask=big-bird&block=16&random=1&bias=t5&dtype=float16&H=2&Hkv=1&L=192&D=32',
  ])('a run finishes and the check passes: %s', async (settings) => {
    openPage(`#${settings}`)
    await run()
    await expect.element(page.getByTestId('verdict'), patience).toHaveTextContent('passed')
    await expect.element(page.getByRole('heading', { name: 'Plan' })).toBeVisible()
    await expect.element(page.getByText(/Forward pass, median of/)).toBeVisible()
    await expect.element(page.getByTestId('adapter')).toMatchTextContent(/^GPU: ./)
  })

  test('old results are marked once the settings change', async () => {
    openPage('#mask=causal&H=1&Hkv=1&L=64&D=16')
    await run()
    await expect.element(page.getByTestId('verdict'), patience).toHaveTextContent('passed')
    await userEvent.fill(page.getByLabelText('Length'), '65')
    await expect.element(page.getByText(/These results are of other settings/)).toBeVisible()
  })
})
