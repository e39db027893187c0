// Colours for canvases, which know nothing of style sheets.
import { onBeforeUnmount, onMounted } from 'vue'

/** The colours that an element would draw tokens in, as `[red, green, blue]` of 0 to 255. */
export function colorsOf(
  element: HTMLElement,
  tokens: readonly string[],
): [number, number, number][] {
  const before = element.style.color
  const colors = tokens.map((token) => {
    element.style.color = `var(${token})`
    const parts = getComputedStyle(element).color.match(/[\d.]+/g) ?? []
    return [Number(parts[0]), Number(parts[1]), Number(parts[2])] as [number, number, number]
  })
  element.style.color = before
  return colors
}

/** Calls back whenever the page goes from light to dark or back. */
export function onThemeChange(callback: () => void): void {
  let observer: MutationObserver | undefined
  let scheme: MediaQueryList | undefined
  onMounted(() => {
    observer = new MutationObserver(callback)
    observer.observe(document.documentElement, {
      attributeFilter: ['class', 'data-theme', 'style'],
    })
    scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', callback)
  })
  onBeforeUnmount(() => {
    observer?.disconnect()
    scheme?.removeEventListener('change', callback)
  })
}
