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

/** Shows a room as the address has it: `#/mask?mask=causal&L=64`. */
export function openPage(hash = '#/mask'): void {
  complaints.length = 0
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
