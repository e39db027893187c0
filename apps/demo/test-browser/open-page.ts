// The playground mounted in the test's own page.
import axe from 'axe-core'
import type { App as VueApp } from 'vue'
import { expect } from 'vitest'
import { createPlayground } from '../src/playground.ts'

let app: VueApp | undefined
const complaints: unknown[] = []
const { error } = console
console.error = (...words: unknown[]) => {
  complaints.push(words)
  error(...words)
}

/** What moved without the visitor having done anything, as browsers score it: 0 where nothing did. */
let shifted = 0
new PerformanceObserver((list) => {
  for (const entry of list.getEntries() as LayoutShift[]) {
    if (!entry.hadRecentInput) shifted += entry.value
  }
}).observe({ type: 'layout-shift', buffered: true })

interface LayoutShift extends PerformanceEntry {
  readonly value: number
  readonly hadRecentInput: boolean
}

/** The score since the page was opened. A tenth is what counts as good. */
export async function layoutShift(): Promise<number> {
  // Entries come after the frame that they are of.
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 100)))
  return shifted
}

/** Shows a room as the address has it: `#/mask?mask=causal&L=64`. */
export function openPage(hash = '#/mask'): void {
  complaints.length = 0
  shifted = 0
  history.replaceState(null, '', location.pathname + location.search + hash)
  const host = document.createElement('div')
  document.body.append(host)
  app = createPlayground()
  app.mount(host)
}

/** Takes the playground away again. */
export function closePage(): void {
  app?.unmount()
  document.body.replaceChildren()
}

/** Settings in the query of the address. */
export function query(): URLSearchParams {
  return new URLSearchParams(location.hash.replace(/^[^?]*\??/, ''))
}

/** Nothing was written to the console as an error, and axe finds nothing to complain of. */
export async function expectClean(): Promise<void> {
  const { violations } = await axe.run(document.body, {
    rules: { 'page-has-heading-one': { enabled: true } },
  })
  expect(
    violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 200))]),
  ).toEqual([])
  expect(complaints).toEqual([])
}

/** Nothing reaches past the side of the screen. */
export function expectNoOverflow(): void {
  expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(window.innerWidth)
}
