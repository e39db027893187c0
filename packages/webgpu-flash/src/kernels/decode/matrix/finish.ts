// How a workgroup ends: its sums are looked at, and the rows, or its part of them, are stored.
import { indent } from '../../../codegen/snippets.ts'
import { storeVector } from '../store-vector.ts'
import { expands } from './config.ts'
import type { DecodeMatrixConfig } from './config.ts'
import { eachPiece, storePiece } from './products.ts'

/** Stores the vector `vector` of the row `tileRow`, which is `sum`. */
export const finishVector = ({ whole }: DecodeMatrixConfig): string =>
  storeVector(whole, 'rowNumbers[rows + tileRow]', 'rowNumbers[2u * rows + tileRow]')

/** Stores all rows, and says in `found.y` whether something is not finite. */
export function finishRows(config: DecodeMatrixConfig): string {
  const { tile, memory, value, valueDim } = config
  const threads = tile.subgroups * tile.subgroupSize
  const each = memory.pieceDims / 4
  const inPiece = tile.subgroups * each
  // Of quantised values the dims of a vector lie apart, yet in one block.
  const dims = value.quantized
    ? `vec4<f32>(${[0, 1, 2, 3]
        .map((i) => {
          const at = `(valuePlace(4u * vector + ${i}u) % ${memory.pieceDims}u)`
          return `scores[unit % ${inPiece}u / ${each}u][tileRow * ${each}u + ${at} / 4u][${at} % 4u]`
        })
        .join(', ')})`
    : `scores[unit % ${inPiece}u / ${each}u][tileRow * ${each}u + unit % ${each}u]`
  return `${expands(config) ? '// Elements beyond the largest half, which sums may hide.\nif (!all(largestScale < vec2<f16>(1.0h))) { found.y = 1u; }\n' : ''}${eachPiece(
    config,
    (piece) => `${storePiece(config, piece)}
workgroupBarrier();
for (var unit = thread; unit < ${tile.rows * inPiece}u; unit += ${threads}u) {
  let tileRow = unit / ${inPiece}u;
  let place = unit % ${inPiece}u / ${each}u * ${memory.ownDims / 4}u + ${piece * each}u + unit % ${each}u;
  let vector = ${value.quantized ? 'place' : `place % ${valueDim / 8}u * 2u + place / ${valueDim / 8}u`};
  let sum = ${dims};
  if (!allFinite(sum + vec4<f32>(rowNumbers[2u * rows + tileRow]))) { found.y = 1u; }
${indent(finishVector(config), 2)}
}
workgroupBarrier();`,
  )}`
}
