// The demo mounted in the test's own page.
import { createApp, type App as VueApp } from 'vue'
import App from '../src/App.vue'

let app: VueApp | undefined

/** Shows the demo for settings as the address has them: `#mask=causal&L=64`. */
export function openPage(hash = ''): void {
  history.replaceState(null, '', hash || location.pathname + location.search)
  const host = document.createElement('div')
  document.body.append(host)
  app = createApp(App)
  app.mount(host)
}

/** Takes the demo away again. */
export function closePage(): void {
  app?.unmount()
  document.body.replaceChildren()
}
