// What a lecture on efficient attention claims, and what becomes of a claim when it is run.
import type { Reports } from './reports.ts'

/** A statement of the lecture. */
export interface Claim {
  /** From 1 on, in the order of the lecture. */
  readonly number: number
  /** Section and slide. */
  readonly slide: string
  /** In our own words. */
  readonly claim: string
  /** The paper behind it. */
  readonly source: string
  /** What shows it. */
  readonly command: string
}

/** `holds within`: only under conditions that `why` names. */
export type Verdict = 'holds' | 'holds within limits' | 'does not hold here' | 'not run'

/** A picture with what there is to see. */
export interface LectureFigure {
  readonly caption: string
  /** An SVG document as text. */
  readonly svg: string
}

/** What a claim came to. */
export interface Evidence {
  /** Where and at which sizes it ran. */
  readonly ran: string
  /** The numbers that came out. */
  readonly found: string
  readonly verdict: Verdict
  /** What the verdict rests on, where it is not plain. */
  readonly why?: string
  readonly figures?: readonly LectureFigure[]
}

/** A claim with its evidence. */
export interface LectureRow extends Claim, Evidence {}

/** What evidence is gathered with. */
export interface LectureContext {
  /** Reports of other commands: run when first asked for, or given. */
  readonly reports: Reports
  readonly full: boolean
}

/** Gathers the evidence of one claim. */
export type Examination = (context: LectureContext) => Promise<Evidence>

/** A part of the lecture, with the claims that it has evidence for. */
export interface Topic {
  readonly name: string
  readonly examinations: Readonly<Partial<Record<number, Examination>>>
}

/** Evidence that could not be had. */
export function notRun(why: string): Evidence {
  return { ran: 'nothing', found: '', verdict: 'not run', why }
}
