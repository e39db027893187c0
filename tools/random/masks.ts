// Masks as plain data: patterns, random expressions, and what combines them.
import { mask } from '../../packages/core/src/index.ts'
import type { AttentionShape, Mask } from '../../packages/core/src/index.ts'
import { and, not, or, perHead } from '../../packages/masks/src/index.ts'
import { chooser } from './chooser.ts'
import type { Chooser } from './chooser.ts'
import { buildBoolean, drawBoolean } from './expression-trees.ts'
import { patternKinds } from './mask-patterns.ts'
import type { MaskData } from './problem.ts'

const names = Object.keys(patternKinds)
const unbounded = names.filter((name) => !patternKinds[name]!.bounded)

/** Draws a mask; `bounded`: whether each query stands among the keys. */
export function drawMask(choose: Chooser, bounded: boolean, depth = 1): MaskData {
  const one = (): MaskData => {
    const pattern = choose.of(bounded ? names : unbounded)
    return { pattern, numbers: patternKinds[pattern]!.draw(choose) }
  }
  const below = (): MaskData => drawMask(choose, bounded, depth - 1)
  const share = choose.fraction()
  if (share < 0.2) return { pattern: 'causal', numbers: [] }
  if (share < 0.35) return { tree: drawBoolean(choose, 3) }
  if (depth === 0 || share < 0.8) return one()
  if (share < 0.86) return { and: [below(), below()] }
  if (share < 0.92) return { or: [below(), below()] }
  if (share < 0.95) return { not: below() }
  return { perHead: [below(), below()] }
}

/** Whether a mask needs each query to stand among the keys. */
export function isBounded(data: MaskData): boolean {
  if ('pattern' in data) return patternKinds[data.pattern]!.bounded ?? false
  return partsOf(data).some(isBounded)
}

/** The masks that a mask is made of. */
export function partsOf(data: MaskData): readonly MaskData[] {
  if ('and' in data) return data.and
  if ('or' in data) return data.or
  if ('not' in data) return [data.not]
  return 'perHead' in data ? data.perHead : []
}

/** The mask for a call. */
export function buildMask(data: MaskData, shape: AttentionShape, seed: number): Mask {
  const build = (part: MaskData): Mask => buildMask(part, shape, seed)
  if ('pattern' in data)
    return patternKinds[data.pattern]!.build(data.numbers, shape, chooser(seed))
  if ('and' in data) return and(...data.and.map(build))
  if ('or' in data) return or(...data.or.map(build))
  if ('not' in data) return not(build(data.not))
  if ('perHead' in data) return perHead(data.perHead.map(build))
  return mask('tree', () => buildBoolean(data.tree))
}
