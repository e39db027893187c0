// The page in a browser without WebGPU: it says so and runs on the CPU.
import { afterEach, expect, test } from 'vitest'
import { page, userEvent } from 'vitest/browser'
import { closePage, openPage } from './open-page.ts'

// This file has a page of its own, so nothing else sees this.
Object.defineProperty(navigator, 'gpu', { value: undefined })

afterEach(closePage)

test('runs on the CPU and checks itself', async () => {
  openPage('#/mask?mask=causal&bias=alibi&H=2&Hkv=2&L=64&D=16')
  await expect.element(page.getByText(/This browser gives the page no GPU/)).toBeVisible()
  await userEvent.click(page.getByRole('button', { name: 'Run' }))
  await expect
    .element(page.getByTestId('verdict'), { timeout: 240_000 })
    .toHaveTextContent('passed')
  await expect.element(page.getByText(/on the CPU$/)).toBeVisible()
})

test('refuses what would take minutes', async () => {
  openPage('#/mask?mask=full&H=8&Hkv=8&L=8192&D=64')
  await userEvent.click(page.getByRole('button', { name: 'Run' }))
  await expect
    .element(page.getByRole('alert'), { timeout: 240_000 })
    .toMatchTextContent('Choose a shorter length')
})

test('the device room measures the CPU, and gives out its result file', async () => {
  openPage('#/device')
  await expect.element(page.getByText('There is no GPU to ask.'), { timeout: 60_000 }).toBeVisible()
  await userEvent.click(page.getByRole('button', { name: 'Measure', exact: true }))
  await expect
    .element(page.getByRole('button', { name: 'Result file' }), { timeout: 240_000 })
    .toBeVisible()
  await expect.element(page.getByRole('rowheader', { name: '512' })).toBeVisible()
  const memory = page.getByRole('img', { name: /^Memory beside inputs and output/ })
  await expect.element(memory).toBeVisible()
  // A file that somebody shared lies beside, and one that is none is refused.
  await userEvent.click(page.getByRole('button', { name: 'Compare with an H200' }))
  await expect
    .element(page.getByRole('img', { name: /^Time of a call.*flash, nvidia h200/ }))
    .toBeVisible()
  await expect.element(page.getByText('The file’s problem: float32, 16 heads of 64.')).toBeVisible()
  const file = page.getByLabelText('Compare with a file')
  await userEvent.upload(file, new File(['{"schema": "other"}'], 'other.json'))
  await expect.element(page.getByRole('alert')).toMatchTextContent('schema must be attn-run/1')
})

test('the cache room shows what is read, and times nothing', async () => {
  openPage('#/cache')
  await expect
    .element(page.getByText('There is no GPU to measure.'), { timeout: 60_000 })
    .toBeVisible()
  await expect.element(page.getByRole('button', { name: 'Measure' })).toBeDisabled()
})
