// The default theme with system fonts, calmer colours and the components that guides use. Each comes with the page that
// shows it: what some of them draw is larger than everything else.
import { HeroMask } from '@attn/components/mask'
// oxlint-disable-next-line import/no-unassigned-import -- how VitePress takes styles
import '@attn/components/tokens.css'
import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme-without-fonts'
import { defineAsyncComponent, h, type Component } from 'vue'
// oxlint-disable-next-line import/no-unassigned-import -- how VitePress takes styles
import './style.css'
// oxlint-disable-next-line import/no-unassigned-import -- how VitePress takes styles
import 'virtual:code-colors.css'

/** Pictures that the playground shows too, by the module that they are in. */
const shared: Readonly<Record<string, () => Promise<Component>>> = {
  AlignmentFigure: async () => (await import('@attn/components/mask')).AlignmentFigure,
  MaskParts: async () => (await import('@attn/components/mask')).MaskParts,
  MaskTiles: async () => (await import('@attn/components/mask')).MaskTiles,
  BiasCurves: async () => (await import('@attn/components/position')).BiasCurves,
  BiasMatrix: async () => (await import('@attn/components/position')).BiasMatrix,
  RotaryDials: async () => (await import('@attn/components/position')).RotaryDials,
  ScoreFit: async () => (await import('@attn/components/position')).ScoreFit,
  CacheFigure: async () => (await import('@attn/components/cache')).CacheFigure,
  ExpressionFigure: async () => (await import('@attn/components/expression')).ExpressionFigure,
  FlashStepper: async () => (await import('@attn/components/attention')).FlashStepper,
  LayoutFigure: async () => (await import('@attn/components/tensor')).LayoutFigure,
}

/** Pictures of these pages alone, by their files. */
const own = import.meta.glob<Component>('./components/*.vue', { import: 'default' })

const theme: Theme = {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { 'home-hero-image': () => h(HeroMask) }),
  enhanceApp({ app }) {
    for (const [name, load] of Object.entries(shared)) {
      app.component(name, defineAsyncComponent(load))
    }
    for (const [file, load] of Object.entries(own)) {
      const name = /([^/]+)\.vue$/.exec(file)![1]!
      app.component(name, defineAsyncComponent(load))
    }
  },
}

export default theme
