// What each of the smaller rooms does when it is used.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'
import { closePage, openPage } from './open-page.ts'

const gpu = await acquireGpu()
const patience = { timeout: 240_000 }

beforeEach(() => page.viewport(1440, 900))
afterEach(closePage)

describe('the flash stepper', () => {
  beforeEach(() => openPage('#/stepper'))

  test('steps, plays and pauses', async () => {
    const slider = page.getByRole('slider', { name: 'Bytes moved' })
    await expect.element(slider, patience).toBeVisible()
    await userEvent.fill(slider, '0')
    await expect.element(page.getByText('Nothing has been moved yet').first()).toBeVisible()
    await userEvent.click(page.getByRole('button', { name: 'Step', exact: true }))
    await expect.element(page.getByText('load Q, tile 0')).toBeVisible()
    await userEvent.click(page.getByRole('button', { name: 'Play' }))
    await expect
      // Which tile it is when somebody looks is the machine's business.
      .element(page.getByText(/FlashAttention-2 after tile \(\d+, \d+\)/), patience)
      .toBeVisible()
    await userEvent.click(page.getByRole('button', { name: 'Pause' }))
  })

  test('with more on the chip less is moved; the backward pass has its own film', async () => {
    const memory = page.getByRole('slider', { name: /Room on the chip/ })
    await expect.element(memory, patience).toBeVisible()
    await userEvent.fill(memory, '64')
    await expect.element(page.getByText(/times more than standard attention/)).toBeVisible()
    await userEvent.fill(memory, '1024')
    await expect.element(page.getByText(/FlashAttention-2 moves .* times less/)).toBeVisible()
    await userEvent.click(page.getByRole('radio', { name: 'Backward' }))
    await expect.element(page.getByText(/P is computed again/)).toBeVisible()
  })
})

describe('the position lab', () => {
  beforeEach(() => openPage('#/position'))

  test('interpolation brings every dial back to where training was', async () => {
    await expect.element(page.getByText('4 of 8'), patience).toBeVisible()
    await userEvent.click(page.getByRole('radio', { name: 'Position Interpolation' }))
    await expect.element(page.getByText(/Every dial points where training has been/)).toBeVisible()
  })

  test('a ridge tames the scores past the training length', async () => {
    const ridge = page.getByRole('slider', { name: /Penalty/ })
    await expect.element(ridge, patience).toBeVisible()
    const past = (): number =>
      Number(document.querySelectorAll('.score-fit b')[1]!.textContent.replaceAll(',', ''))
    const wild = past()
    await userEvent.fill(ridge, '1')
    await expect.poll(past).toBeLessThan(wild / 10)
  })

  test('trains in this tab, and stops', async () => {
    await expect.element(page.getByRole('img', { name: /Stored run/ }), patience).toBeVisible()
    await userEvent.click(page.getByRole('button', { name: 'Train' }))
    await expect
      .element(page.getByRole('img', { name: /Trained in this tab, [1-9]/ }), patience)
      .toBeVisible()
    await userEvent.click(page.getByRole('button', { name: 'Stop' }))
    await expect.element(page.getByRole('button', { name: 'Train' }), patience).toBeVisible()
    expect(document.querySelector('[role="alert"]')).toBeNull()
  })

  test('curves of biases are dragged, and moved by keys', async () => {
    const slope = page.getByRole('slider', { name: 'Slope of head 1' })
    await expect.element(slope, patience).toHaveAttribute('aria-valuetext', '0.50 a token')
    await expect.element(page.getByText(/of the first head lies on 2 tokens/)).toBeVisible()
    slope.element().dispatchEvent(new KeyboardEvent('keydown', { key: 'End', bubbles: true }))
    await expect.element(page.getByText(/of the first head lies on 12\d tokens/)).toBeVisible()
    await userEvent.click(page.getByRole('button', { name: 'As in the paper' }))
    await expect.element(slope).toHaveAttribute('aria-valuetext', '0.50 a token')
    const bias = page.getByRole('slider', { name: 'Bias of head 2 in bucket 0' })
    await expect.element(bias).toHaveAttribute('aria-valuenow', '0')
    await userEvent.dragAndDrop(bias, page.getByText(/Drag a point/))
    await expect.element(bias).toHaveAttribute('aria-valuenow', '-12')
  })

  test('stored weights read a text, as the stored run did', async () => {
    await userEvent.click(page.getByRole('button', { name: 'Read' }))
    await expect
      .poll(() => document.querySelector('.stored desc')?.textContent, patience)
      .toBe('RoPE: perplexity 5.65 to 16.9')
    await userEvent.fill(page.getByRole('textbox', { name: /A text of yours/ }), 'short')
    await userEvent.click(page.getByRole('button', { name: 'Read' }))
    await expect.element(page.getByRole('alert')).toMatchTextContent('Write more than 64')
  })
})

describe('cache and decode', () => {
  beforeEach(() => openPage('#/cache'))

  test('a window reads as many tokens however long the text is', async () => {
    await expect
      .element(page.getByText('Token 119 reads 120 of 120 tokens.'), patience)
      .toBeVisible()
    await userEvent.click(page.getByText('Keep a window'))
    await expect.element(page.getByText('Token 119 reads 52 of 120 tokens.')).toBeVisible()
    await userEvent.click(page.getByRole('button', { name: 'Append 16' }))
    await expect.element(page.getByText('Token 135 reads 52 of 136 tokens.')).toBeVisible()
    await userEvent.click(page.getByRole('button', { name: 'Truncate 8' }))
    await expect.element(page.getByText('Token 127 reads 52 of 128 tokens.')).toBeVisible()
  })

  test.skipIf(!gpu)('times a token with all kept and with a window', async () => {
    await userEvent.click(page.getByRole('button', { name: 'Measure' }))
    await expect.element(page.getByRole('rowheader', { name: /^all / }), patience).toBeVisible()
    await expect
      .element(page.getByRole('rowheader', { name: /the first 4/ }), patience)
      .toBeVisible()
  })
})

describe.skipIf(!gpu)('this device', () => {
  test('says which kernels calls get and whether results are right', async () => {
    openPage('#/device')
    await expect.element(page.getByText('float32 forward, headDim 64'), patience).toBeVisible()
    await expect.element(page.getByText('yes', { exact: true }).first()).toBeVisible()
    await expect.element(page.getByText(/the adapter offers no|subgroup/).first()).toBeVisible()
    await userEvent.click(page.getByRole('button', { name: 'Measure the roofline' }))
    await expect
      .element(page.getByRole('img', { name: /memory hierarchy and roofline/ }), patience)
      .toBeVisible()
    expect(document.querySelector('[role="alert"]')).toBeNull()
  })
})
