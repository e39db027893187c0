// The default theme with system fonts, calmer colours and the components that guides use.
import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme-without-fonts'
import { h } from 'vue'
import HeroMask from './components/HeroMask.vue'
import LoopOrders from './components/LoopOrders.vue'
import MaskTiles from './components/MaskTiles.vue'
// oxlint-disable-next-line import/no-unassigned-import -- how VitePress takes styles
import './style.css'

const theme: Theme = {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { 'home-hero-image': () => h(HeroMask) }),
  enhanceApp({ app }) {
    app.component('LoopOrders', LoopOrders)
    app.component('MaskTiles', MaskTiles)
  },
}

export default theme
