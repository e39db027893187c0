// Which rows of tiles a workgroup has: one, in the order of the block map; of heads that are left out several, if any.
import { indent } from '../../codegen/snippets.ts'
import type { GradientConfig } from './backward-frame.ts'

/**
 * Declares `rowTile`; expects `batch`.
 *
 * @param head - Text of the head whose map orders the rows. Default: `head`.
 * @param place - Text of its place among the rows. Default: the workgroup's.
 */
export function ownRowTile(
  blockMap: boolean,
  head = 'head',
  place = 'params.rowTileBase + workgroup.y',
): string {
  if (!blockMap) return `let rowTile = ${place};`
  // Rows are taken longest first, so that no long row begins when the others are done.
  return `var rowTile = ${place};
if (params.mapOrdered != 0u) { rowTile = data[params.mapOrderBase + mapPlane(batch, ${head}) + rowTile]; }`
}

/**
 * Text of what a workgroup does with its row of tiles, in the scope of `rowTile`. Of left out heads it has several, one after
 * the other: there is hardly any such head, and workgroups that find none take their time, too.
 *
 * @param head - Text of the head whose map orders the rows.
 */
export function withRowTile(
  { blockMap, unsplitOnly }: GradientConfig,
  head: string,
  body: string,
): string {
  if (!unsplitOnly) return `${ownRowTile(blockMap, head)}\n${body}`
  return `for (var place = params.rowTileBase + workgroup.y; place < params.rowTileEnd; place += params.rowTileStep) {
${indent(ownRowTile(blockMap, head, 'place'), 2)}
${indent(body, 2)}
  workgroupBarrier();
}`
}

/**
 * Leaves heads that are split to the kernels on subgroup matrices.
 *
 * @param head - Text of a head, and of a row of it that is bound.
 */
export function unlessSplit({ unsplitOnly }: GradientConfig, head: string, row: string): string {
  if (!unsplitOnly) return ''
  return `if (softmaxRows[params.softmaxRowsOffset + (batch * params.heads + ${head}) * params.queryLength + min(${row}, params.queryLength - 1u)].z != 0.0) { return; }\n`
}
