// Charts of measurements.
export { default as BarChart } from './BarChart.vue'
export { default as LineChart } from './LineChart.vue'
export { default as SvgPlot } from './SvgPlot.vue'
export type { Bars, ChartPoint, ChartSeries } from './series.ts'
