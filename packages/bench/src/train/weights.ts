// The weights of the decoder: which arrays there are, and what they hold before the first step.
import { hash, normalArray } from '../inputs/normal.ts'

/** Name, shape and initial scale of one array of weights. */
export interface WeightSpecification {
  readonly name: string
  readonly shape: readonly number[]
  /** Standard deviation of the initial numbers; undefined where they are 1. */
  readonly deviation?: number
}

/** All arrays of weights, in the order in which `assemble` takes them. */
export function weightSpecifications(
  { layers, width }: { readonly layers: number; readonly width: number },
  vocabulary: number,
): WeightSpecification[] {
  const one = 1 / Math.sqrt(width)
  // Sums of 2 * layers parts keep the variance of one (GPT-2).
  const residual = one / Math.sqrt(2 * layers)
  const gain = { shape: [width] }
  const square = { shape: [width, width] }
  return [
    { name: 'embedding', shape: [vocabulary, width], deviation: 0.5 },
    ...Array.from({ length: layers }, (_, layer) => [
      { name: `layer${layer}.project.gain`, ...gain },
      { name: `layer${layer}.project.query`, ...square, deviation: one },
      { name: `layer${layer}.project.key`, ...square, deviation: one },
      { name: `layer${layer}.project.value`, ...square, deviation: one },
      { name: `layer${layer}.finish.projection`, ...square, deviation: residual },
      { name: `layer${layer}.finish.gain`, ...gain },
      { name: `layer${layer}.finish.expand`, shape: [width, 4 * width], deviation: one },
      { name: `layer${layer}.finish.contract`, shape: [4 * width, width], deviation: residual / 2 },
    ]).flat(),
    { name: 'readout.gain', ...gain },
    { name: 'readout.matrix', shape: [width, vocabulary], deviation: one / 4 },
  ]
}

/** The initial numbers of one array, the same on every machine. */
export function initialWeights(
  { shape, deviation }: WeightSpecification,
  index: number,
  seed: number,
): Float32Array<ArrayBuffer> {
  const count = shape.reduce((product, size) => product * size, 1)
  if (deviation === undefined) return new Float32Array(count).fill(1)
  return normalArray((hash(seed) + index) >>> 0, count).map((value) => value * deviation)
}
