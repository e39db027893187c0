// What charts draw.

export interface ChartPoint {
  /** Of a sequence; the number of a step, where the axis counts steps. */
  readonly length: number
  readonly value: number
}

export interface ChartSeries {
  readonly label: string
  readonly color: 'orange' | 'blue' | 'green' | 'pink' | 'amber' | 'grey'
  readonly marker: 'circle' | 'square' | 'triangle' | 'diamond'
  /** Drawn dashed with hollow marks. */
  readonly second: boolean
  readonly points: readonly ChartPoint[]
}

/** Bars of one problem, longest first. */
export interface Bars {
  readonly heading: string
  readonly unit: string
  readonly bars: readonly {
    readonly label: string
    readonly value: number
    /** The value as it is written beside the bar. */
    readonly text: string
    readonly color: ChartSeries['color']
    /** Drawn hollow. */
    readonly second: boolean
  }[]
}
