// The text of a pass for tensors that lie in memory as those of a call do, and of what merges parts of its long rows.
import type { Access } from '../../codegen/access.ts'
import { tokenFunctions } from '../../codegen/token-order.ts'
import { mergePartsKernel } from '../../kernels/forward/merge-parts.wgsl.ts'
import { exponentFields } from '../../kernels/forward/split/forward-split.wgsl.ts'
import { forwardFields, withOptionalFields } from '../../kernels/parameters.ts'
import { mayAddHuge } from './huge-scores.ts'
import type { ForwardPass } from './passes.ts'

/** How the four tensors are accessed; decides the text of the kernel. */
export interface ForwardAccesses {
  readonly query: Access
  readonly key: Access
  readonly value: Access
  readonly output: Access
}

/**
 * The WGSL of a pass for tensors with these accesses.
 *
 * @param parts - Whether it computes parts of long rows. Default: false.
 */
export function passText(
  { call, kernel, rules, blockMap, orders }: ForwardPass,
  accesses: ForwardAccesses,
  parts = false,
): string {
  const { shape, attention, layout, shortText } = call
  return kernel.text({
    headDim: shape.headDim,
    valueDim: shape.valueDim,
    ...accesses,
    rules,
    shortText,
    blockMap: blockMap !== undefined,
    tokens: orders && tokenFunctions(orders, kernel.tile),
    parts,
    sinks: attention.sinks !== undefined,
    dropout: attention.dropout !== undefined,
    // The others keep exponents of e, or are not chosen for such numbers: tables are looked through for nobody else.
    hugeScores: kernel.kind === 'subgroup-matrix' && mayAddHuge(attention.scoreModifiers),
    descriptorWords: layout.descriptorWords,
    parameterWords: layout.parameters.length,
  })
}

/** The WGSL that merges the parts of long rows into an output with this access. */
export function mergePartsText({ call, kernel, orders }: ForwardPass, output: Access): string {
  const { shape, attention, layout } = call
  return mergePartsKernel({
    tileQueries: kernel.tile.queries,
    valueDim: shape.valueDim,
    output,
    tokens: tokenFunctions(orders ?? {}, kernel.tile),
    // As the kernel of the pass has them, since the dispatches of a pass share their blocks' layout.
    fields: withOptionalFields(
      kernel.kind === 'halves' ? [...forwardFields, ...exponentFields] : forwardFields,
      {
        sinks: attention.sinks !== undefined,
        dropout: attention.dropout !== undefined,
      },
    ),
    descriptorWords: layout.descriptorWords,
    parameterWords: layout.parameters.length,
  })
}
