// The ways to extend a trained rotary embedding, by factor. Turns are counted inside the trained length:
// at L = 64 the fastest pair makes ten, so that the default of 32 would interpolate every pair.
import type { RopeScaling } from '../positions/methods.ts'

/** The ways by name. */
export const scalingNames = [
  'direct',
  'interpolation',
  'ntk',
  'dynamic',
  'by-parts',
  'yarn',
] as const
/** The name of one. */
export type ScalingName = (typeof scalingNames)[number]

/** Their names for people. */
export const scalingTitles: Readonly<Record<ScalingName, string>> = {
  direct: 'not at all',
  interpolation: 'Position Interpolation',
  ntk: 'NTK-aware',
  dynamic: 'dynamic NTK',
  'by-parts': 'NTK-by-parts, alpha 1, beta 4',
  yarn: 'YaRN, the same with its temperature',
}

/** A rotary embedding of a model trained at `trainedLength`, extended by a factor. */
export function scalingOf(name: ScalingName, factor: number, trainedLength: number): RopeScaling {
  switch (name) {
    case 'direct':
      return {}
    case 'interpolation':
      return { type: 'linear', factor }
    case 'ntk':
      return { type: 'ntk', factor }
    case 'dynamic':
      return { type: 'dynamic', factor, trainedLength }
    case 'by-parts':
      return { type: 'by-parts', factor, trainedLength, alpha: 1, beta: 4 }
    case 'yarn':
      return { type: 'yarn', factor, trainedLength, betaFast: 4, betaSlow: 1 }
  }
}
