// What a figure is made of: sets of axes, with lines over numbers or bars one below the other.
import type { Look } from './theme.ts'

/** Points of one method, and how they are drawn. */
export interface Series {
  readonly label: string
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Which method it is, if not the label says so: the same has the same colour in all panels. */
  readonly method?: string
  /**
   * `dashes`: a second setting of the same method; `points`: no line; `bare`: no marks, for bounds and
   * curves that were not measured, `bare-dashes` the same dashed. Default: `line`.
   */
  readonly draw?: 'line' | 'dashes' | 'points' | 'bare' | 'bare-dashes'
  /** Shaded: the range at each x, such as that of seeds. Default: none. */
  readonly band?: readonly (readonly [x: number, low: number, high: number])[]
  /** Words at each point. Default: none. */
  readonly texts?: readonly string[]
}

/** A dotted line across, at an x or at a y. */
export interface Mark {
  readonly x?: number
  readonly y?: number
  readonly label: string
}

/** Lines over an axis of numbers. */
export interface LinePanel {
  readonly kind: 'lines'
  readonly title?: string
  readonly xLabel: string
  readonly yLabel: string
  /** `length`: logarithmic, with ticks at the lengths that were measured. */
  readonly xScale: 'length' | 'log' | 'linear'
  readonly yScale: 'log' | 'linear'
  readonly series: readonly Series[]
  readonly marks?: readonly Mark[]
  /** What the axis of values has to include, such as 0. */
  readonly yIncludes?: readonly number[]
}

/** One bar. */
export interface Bar {
  readonly label: string
  readonly value: number
  /** The value as it is to be read. */
  readonly text: string
  /** Decides the colour. Default: the label. */
  readonly method?: string
  /** A second setting of the same method: drawn pale. */
  readonly second?: boolean
}

/** Bars one below the other, from zero or from a power of ten. */
export interface BarPanel {
  readonly kind: 'bars'
  readonly title?: string
  readonly valueLabel: string
  /** Default: `linear`. */
  readonly scale?: 'linear' | 'log'
  readonly bars: readonly Bar[]
}

export type Panel = LinePanel | BarPanel

/** Sizes of a panel in pixels. */
export interface PanelSize {
  readonly width: number
  readonly height: number
}

/** Looks by method, shared by the panels of a figure. */
export type Looks = (method: string) => Look
