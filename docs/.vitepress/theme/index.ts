// The default theme with system fonts, calmer colours and the components that guides use.
import { FlashStepper } from '@attn/components/attention'
import { CacheFigure } from '@attn/components/cache'
import { AlignmentFigure, HeroMask, MaskParts, MaskTiles } from '@attn/components/mask'
// oxlint-disable-next-line import/no-unassigned-import -- how VitePress takes styles
import '@attn/components/tokens.css'
import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme-without-fonts'
import { h } from 'vue'
import { ExpressionFigure } from '@attn/components/expression'
import { BiasCurves, BiasMatrix, RotaryDials, ScoreFit } from '@attn/components/position'
import { LayoutFigure } from '@attn/components/tensor'
import AttentionProfiles from './components/AttentionProfiles.vue'
import BenchmarkMethod from './components/BenchmarkMethod.vue'
import BenchmarkRuns from './components/BenchmarkRuns.vue'
import BenchmarkTakeaways from './components/BenchmarkTakeaways.vue'
import BenchmarkSetting from './components/BenchmarkSetting.vue'
import ExtrapolationResults from './components/ExtrapolationResults.vue'
import ChartGallery from './components/ChartGallery.vue'
import ConformanceFigure from './components/ConformanceFigure.vue'
import GrowthFigure from './components/GrowthFigure.vue'
import HomeFigures from './components/HomeFigures.vue'
import KernelCoverage from './components/KernelCoverage.vue'
import KernelTable from './components/KernelTable.vue'
import LectureRun from './components/LectureRun.vue'
import PackageMap from './components/PackageMap.vue'
import PaperTables from './components/PaperTables.vue'
import PlanFigure from './components/PlanFigure.vue'
import TrafficFigure from './components/TrafficFigure.vue'
import TrainedPatterns from './components/TrainedPatterns.vue'
import TurnsFigure from './components/TurnsFigure.vue'
// oxlint-disable-next-line import/no-unassigned-import -- how VitePress takes styles
import './style.css'

const theme: Theme = {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { 'home-hero-image': () => h(HeroMask) }),
  enhanceApp({ app }) {
    app.component('AttentionProfiles', AttentionProfiles)
    app.component('BenchmarkMethod', BenchmarkMethod)
    app.component('BenchmarkRuns', BenchmarkRuns)
    app.component('BenchmarkSetting', BenchmarkSetting)
    app.component('BenchmarkTakeaways', BenchmarkTakeaways)
    app.component('ExpressionFigure', ExpressionFigure)
    app.component('LayoutFigure', LayoutFigure)
    app.component('BiasCurves', BiasCurves)
    app.component('BiasMatrix', BiasMatrix)
    app.component('CacheFigure', CacheFigure)
    app.component('ConformanceFigure', ConformanceFigure)
    app.component('GrowthFigure', GrowthFigure)
    app.component('MaskParts', MaskParts)
    app.component('PlanFigure', PlanFigure)
    app.component('TrafficFigure', TrafficFigure)
    app.component('TurnsFigure', TurnsFigure)
    app.component('RotaryDials', RotaryDials)
    app.component('ScoreFit', ScoreFit)
    app.component('ExtrapolationResults', ExtrapolationResults)
    app.component('HomeFigures', HomeFigures)
    app.component('KernelCoverage', KernelCoverage)
    app.component('KernelTable', KernelTable)
    app.component('ChartGallery', ChartGallery)
    app.component('LectureRun', LectureRun)
    app.component('FlashStepper', FlashStepper)
    app.component('MaskTiles', MaskTiles)
    app.component('PackageMap', PackageMap)
    app.component('AlignmentFigure', AlignmentFigure)
    app.component('PaperTables', PaperTables)
    app.component('TrainedPatterns', TrainedPatterns)
  },
}

export default theme
