// The mask lab in a real browser: it draws while one types, runs on whatever GPU there is, checks itself,
// and refuses bad sizes with a reason.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import { nextTick } from 'vue'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { closePage, openPage, query } from './open-page.ts'

const gpu = await acquireGpu()
const patience = { timeout: 240_000 }

beforeEach(() => page.viewport(1440, 900))
afterEach(closePage)

const run = (): Promise<void> => userEvent.click(page.getByRole('button', { name: 'Run' }))
const picture = (tiles: RegExp) => page.getByRole('img', { name: tiles })
const text = () => page.getByRole('textbox', { name: /sees key/ })

test('loads with a picture of the mask before anything ran', async () => {
  openPage('')
  await expect.element(page.getByRole('heading', { name: 'Mask lab' })).toBeVisible()
  await expect
    .element(picture(/Tiles of the mask.*21 of 64 tiles are computed/), patience)
    .toBeVisible()
  await expect.element(page.getByText('12.4 %'), patience).toBeVisible()
  await expect.element(page.getByRole('button', { name: 'Run' })).toBeEnabled()
})

test('addresses of the page that was here before lead to the lab', async () => {
  openPage('#mask=causal&bias=alibi&dtype=float16&H=2&Hkv=1&L=96')
  await expect.element(page.getByLabelText('Length', { exact: true })).toHaveValue(96)
  expect(location.hash).toMatch(/^#\/mask\?/)
})

test('keeps the settings in the address, and takes them from it', async () => {
  openPage('#/mask?mask=causal&bias=alibi&dtype=float16&H=2&Hkv=1&L=96')
  await expect.element(page.getByLabelText('Length', { exact: true })).toHaveValue(96)
  await userEvent.click(page.getByText('Batch, heads, head dim, element type'))
  await expect.element(page.getByLabelText('Element type')).toHaveValue('float16')
  await userEvent.click(page.getByRole('button', { name: 'Prefix LM' }))
  await userEvent.fill(page.getByLabelText('Prefix', { exact: true }), '17')
  await expect.poll(() => query().get('mask')).toBe('prefix-lm')
  await expect.poll(() => query().get('prefix')).toBe('17')
  expect(query().get('bias')).toBe('alibi')
})

test('draws a mask that the visitor writes, with its numbers, and says what is wrong with it', async () => {
  openPage(
    `#/mask?${new URLSearchParams({ expression: 'k <= q && q - k < width || k < 4', mask: 'expression', 'x-width': '64', L: '512' })}`,
  )
  await expect
    .element(picture(/21 of 64 tiles are computed: 0 full and 21 partial/), patience)
    .toBeVisible()
  await userEvent.fill(page.getByLabelText('width', { exact: true }), '512')
  await expect.element(picture(/36 of 64 tiles are computed/), patience).toBeVisible()
  await userEvent.fill(text(), 'k <= ')
  await expect.element(text()).toHaveAttribute('aria-invalid', 'true')
  await expect.element(page.getByText(/Expected expression/).first()).toBeVisible()
  await userEvent.fill(text(), 'k == q')
  await expect.element(picture(/8 of 64 tiles are computed/), patience).toBeVisible()
  await expect.poll(() => query().get('expression')).toBe('k == q')
})

test('a burst of keystrokes is drawn once, as it ends', async () => {
  openPage('#/mask?mask=strided&stride=64&L=4096&H=1&Hkv=1')
  await expect.element(picture(/tiles are computed/), patience).toBeVisible()
  const posted = vi.spyOn(Worker.prototype, 'postMessage')
  const field = text().element() as HTMLTextAreaElement
  for (const last of 'k <= q && q - k < 128'.matchAll(/./g)) {
    field.value = last.input.slice(0, last.index + 1)
    field.dispatchEvent(new InputEvent('input'))
    await nextTick()
  }
  // No task of the page came between, so no picture is done: the first is drawn, the last waits.
  expect(posted).toHaveBeenCalledTimes(1)
  await expect.element(page.getByText('3.08 %'), patience).toBeVisible()
  expect(posted).toHaveBeenCalledTimes(2)
  posted.mockRestore()
})

test('an address with a hostile expression does nothing but show an error', async () => {
  const hostile = 'constructor.constructor("document.title = 1")() < 2'
  openPage(`#/mask?${new URLSearchParams({ mask: 'expression', expression: hostile })}`)
  await expect.element(page.getByRole('alert')).toMatchTextContent(/there are abs/)
  expect(document.title).toBe('Mask lab · attn playground')
  await expect.element(picture(/Tiles of the mask/), patience).toBeVisible()
})

test('the text of a pattern becomes the visitor’s own when it is changed, and stays the same mask', async () => {
  openPage('#/mask?mask=sliding-window&window=100&L=512')
  await expect.element(text()).toHaveValue('k <= q && q - k <= window')
  await expect.element(picture(/21 of 64 tiles/), patience).toBeVisible()
  await userEvent.fill(text(), 'k <= q && q - k <= window || k < 2')
  await expect.poll(() => query().get('mask')).toBe('expression')
  expect(query().get('x-window')).toBe('100')
  await expect.element(page.getByText('k < 2', { exact: true })).toBeVisible()
})

test('says which keys a query sees', async () => {
  openPage('#/mask?mask=attention-sinks&sinks=2&recent=3&L=64&view=tiles')
  const slider = page.getByRole('slider', { name: 'Query' })
  await expect.element(slider, patience).toBeVisible()
  await userEvent.fill(slider, '40')
  await expect.element(page.getByText('Query 40 sees 5 of 64 keys: 0–1, 38–40.')).toBeVisible()
})

test('a pattern that the planner reorders shows its passes, and the figures agree with them', async () => {
  openPage('#/mask?mask=strided&stride=64&L=4096&H=1&Hkv=1&view=order')
  await expect.element(picture(/Pass 2 over reordered tokens/).first(), patience).toBeVisible()
  await expect
    .element(page.getByText(/The planner’s computes|the planner’s computes/))
    .toBeVisible()
  await expect.element(page.getByText(/\(chosen\)/)).toBeVisible()
})

test('draws what a score modifier adds', async () => {
  openPage('#/mask?mask=causal&L=64&view=scores')
  await userEvent.selectOptions(page.getByLabelText('Score modifier'), 'ALiBi')
  await expect.element(picture(/alibi: what is added/)).toBeVisible()
  await userEvent.selectOptions(page.getByLabelText('Score modifier'), 'Softcap')
  await expect.element(picture(/softcap: what becomes of a score/)).toBeVisible()
})

test('draws a score modifier that the visitor writes, and says what is wrong with it', async () => {
  openPage('#/mask?mask=causal&L=64&view=scores&bias=softcap&cap=5')
  const field = page.getByRole('textbox', { name: /A score/ })
  await expect.element(field).toHaveValue('cap * tanh(s / cap)')
  await userEvent.fill(field, 's - cap * abs(q - k) / 8')
  await expect.element(picture(/yours: what is added/)).toBeVisible()
  await expect.poll(() => query().get('bias')).toBe('own')
  expect(query().get('s-cap')).toBe('5')
  await userEvent.fill(field, 's - ')
  await expect.element(field).toHaveAttribute('aria-invalid', 'true')
  // The picture stays that of the last text that could be read.
  await expect.element(picture(/yours: what is added/)).toBeVisible()
  const before = document.title
  for (const score of ['constructor.constructor("document.title = 1")()', 'alert(1)']) {
    closePage()
    openPage(
      `#/mask?${new URLSearchParams({ mask: 'causal', bias: 'own', score, view: 'scores' })}`,
    )
    await expect.element(page.getByRole('alert').first()).toMatchTextContent(/there are abs/)
    expect(document.title).toBe(before)
  }
})

describe('bad sizes', () => {
  beforeEach(() => openPage('#/mask?mask=causal&L=64&H=4&Hkv=4'))

  test('are named below their field, and nothing runs', async () => {
    const length = page.getByLabelText('Length', { exact: true })
    await userEvent.fill(length, '0')
    await expect.element(page.getByText('Length: must lie between 1 and 1,048,576')).toBeVisible()
    await expect.element(length).toHaveAttribute('aria-invalid', 'true')
    await run()
    await expect.element(length).toHaveFocus()
    expect(document.querySelector('[data-testid="verdict"]')).toBeNull()
  })

  test('that do not fit together are refused', async () => {
    await userEvent.click(page.getByText('Batch, heads, head dim, element type'))
    await userEvent.fill(page.getByLabelText('Key/value heads'), '3')
    await expect.element(page.getByText(/must divide the 4 heads/)).toBeVisible()
  })

  test('that a pattern refuses show what it says', async () => {
    await userEvent.click(page.getByRole('button', { name: 'Neighbourhood' }))
    await userEvent.fill(page.getByLabelText('Kernel (odd)', { exact: true }), '4')
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
    openPage(`#/mask?${settings}`)
    await run()
    await expect.element(page.getByTestId('verdict'), patience).toHaveTextContent('passed')
    await expect.element(page.getByRole('heading', { name: 'Plan' })).toBeVisible()
    await expect.element(page.getByText(/Forward pass. Median of/), patience).toBeVisible()
    await expect.element(page.getByText('Every pair', { exact: true })).toBeVisible()
    await expect.element(page.getByTestId('adapter')).toMatchTextContent(/^GPU: ./)
  })

  test('old results are marked once the settings change', async () => {
    openPage('#/mask?mask=causal&H=1&Hkv=1&L=64&D=16')
    await run()
    await expect.element(page.getByTestId('verdict'), patience).toHaveTextContent('passed')
    await userEvent.fill(page.getByLabelText('Length', { exact: true }), '65')
    await expect.element(page.getByText(/results below are of other settings/)).toBeVisible()
  })
})
