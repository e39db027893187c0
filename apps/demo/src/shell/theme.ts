// Light or dark: as the system has it, until the visitor chooses.
import { computed, ref, watchEffect } from 'vue'

type Theme = 'light' | 'dark'
const key = 'attn-theme'

function stored(): Theme | undefined {
  try {
    const value = localStorage.getItem(key)
    return value === 'light' || value === 'dark' ? value : undefined
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
    return undefined
  }
}

const chosen = ref<Theme>()
const system = ref<Theme>('light')
export const theme = computed<Theme>(() => chosen.value ?? system.value)

export function toggleTheme(): void {
  chosen.value = theme.value === 'light' ? 'dark' : 'light'
  try {
    localStorage.setItem(key, chosen.value)
  } catch {
    // See above.
  }
}

let following = false

/** Keeps the document in the theme. */
export function followTheme(): void {
  if (following) return
  following = true
  chosen.value = stored()
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const follow = (): void => void (system.value = dark.matches ? 'dark' : 'light')
  follow()
  dark.addEventListener('change', follow)
  watchEffect(() => {
    document.documentElement.dataset['theme'] = theme.value
  })
}
