// The account of a plan as text for people: one line for each question that a plan answers.
import type { PlanExplanation } from './explanation.ts'

const decimalUnits = ['', 'k', 'M', 'G', 'T', 'P'] as const
const binaryUnits = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'] as const

/** Three digits and a unit. */
function short(value: number, base: 1000 | 1024, unit: string): string {
  const units = base === 1000 ? decimalUnits : binaryUnits
  let power = 0
  let scaled = value
  while (scaled >= 999.5 && power < units.length - 1) {
    scaled /= base
    power++
  }
  const digits = power === 0 ? `${scaled}` : scaled.toPrecision(3)
  return `${digits} ${units[power]}${unit}`
}

const bytesText = (value: number): string => short(value, 1024, 'B')
const workText = (value: number): string => short(value, 1000, 'FLOP')
const count = (value: number): string => value.toLocaleString('en-US')
const plural = (value: number, word: string): string =>
  `${count(value)} ${word}${value === 1 ? '' : 's'}`

function callText({ call }: PlanExplanation): string {
  const { heads, kvHeads, headDim, valueDim, mask, scoreModifiers } = call
  const changes = [
    mask === undefined ? 'no mask' : `mask ${mask}`,
    ...scoreModifiers,
    ...(call.dropout ? ['dropout'] : []),
    ...(call.sinks ? ['sinks'] : []),
  ]
  return [
    call.sequences === undefined
      ? plural(call.batch, 'sequence')
      : plural(call.sequences, 'packed sequence'),
    kvHeads === heads
      ? plural(heads, 'head')
      : `${plural(heads, 'head')} on ${plural(kvHeads, 'key head')}`,
    `${count(call.queryLength)} queries x ${count(call.keyLength)} keys`,
    headDim === valueDim ? `dim ${headDim}` : `dims ${headDim} and ${valueDim}`,
    call.dtype,
    ...changes,
  ].join(', ')
}

/**
 * The account of a plan as a few lines for people.
 *
 * @param explanation - What `plan.explain()` returned.
 *
 * @example
 * ```ts
 * import { mask } from '@attn/core'
 * import { createFlashAttention, formatExplanation } from '@attn/webgpu-flash'
 *
 * const flash = await createFlashAttention()
 * const causal = mask('causal', ({ query, key }) => key.le(query))
 * const plan = flash.plan({ heads: 16, queryLength: 4096, headDim: 64, mask: causal })
 * const [first] = formatExplanation(plan.explain()).split('\n')
 * first // => 'attention  1 sequence, 16 heads, 4,096 queries x 4,096 keys, dim 64, float32, mask causal'
 * flash.destroy()
 * ```
 */
export function formatExplanation(explanation: PlanExplanation): string {
  const { variant, reason, tile, blocks, bytes, memoryBytes } = explanation
  const { passes, longRows, products, decode, rope, backward } = explanation
  const share = ((100 * blocks.visited) / blocks.total).toFixed(1)
  const lines: [string, string][] = [
    ['attention', callText(explanation)],
    ['kernel', `${variant}: ${reason}`],
    [
      'tile',
      `${tile.queries} queries x ${tile.keys} keys, ${explanation.threads} threads, ${bytesText(explanation.workgroupMemoryBytes)} of workgroup memory`,
    ],
    [
      'blocks',
      `${count(blocks.visited)} of ${count(blocks.total)} visited (${share} %): ${count(blocks.full)} full, ${count(blocks.partial)} partial; ${count(blocks.skipped)} skipped`,
    ],
    [
      'work',
      `${workText(explanation.floatingPointOperations)} in ${plural(explanation.dispatches, 'dispatch').replace(/chs$/, 'ches')}`,
    ],
    [
      'traffic',
      `${bytesText(bytes.read)} read and ${bytesText(bytes.written)} written, if nothing were cached`,
    ],
    [
      'memory',
      `output ${bytesText(memoryBytes.output)}, log-sum-exp ${bytesText(memoryBytes.logSumExp)}, block map ${bytesText(memoryBytes.blockMap)}, tables ${bytesText(memoryBytes.tables)}; scores, never stored: ${bytesText(explanation.scoreBytes)}`,
    ],
  ]
  if (passes) {
    const compared = passes.candidates.map(({ name, tiles }) => `${name} ${count(tiles)}`)
    lines.push(
      ['orders', `${passes.chosen}: ${passes.reason}`],
      ['', `tiles compared: ${compared.join(', ')}`],
    )
  }
  if (longRows.parts > 0) {
    const { rows, parts } = longRows
    lines.push([
      'long rows',
      `${plural(rows, 'row')} of tiles in ${plural(parts, 'part')}, merged; ${bytesText(memoryBytes.parts)}`,
    ])
  }
  if (products) {
    const { queries, keys } = products.otherwise
    lines.push([
      'products',
      `${products.ofEach} of float16 for each of float32, halves of the tensors ${bytesText(memoryBytes.halves ?? 0)}; plain WGSL in tiles of ${queries} x ${keys} where the numbers of a call are not finite or too far apart`,
    ])
  }
  if (decode) {
    lines.push([
      'keys',
      `${plural(decode.parts, 'part')} of ${count(decode.keysPerPart)} for ${count(decode.workgroups)} workgroups, each key read once for ${plural(decode.rowsPerKey, 'row')}; results of parts ${bytesText(memoryBytes.parts)}${decode.lengths === 'call' ? '; lengths come with each call' : ''}`,
    ])
  }
  if (rope) {
    lines.push(['rope', `${rope.turned.join(' and ')}, ${bytesText(rope.bytes)}: ${rope.reason}`])
  }
  if (backward) {
    const { query, key } = backward
    lines.push(
      ['backward', `${backward.variant}: ${backward.reason}`],
      [
        '',
        `${workText(backward.floatingPointOperations)}; dQ in tiles of ${query.tile.rows} x ${query.tile.columns}, dK and dV of ${key.tile.rows} x ${key.tile.columns}; gradients ${bytesText(backward.memoryBytes.gradients)}`,
      ],
      [
        '',
        `memory linear in the lengths: ${bytesText(backward.memoryBytes.softmaxRows)} for rows, ${bytesText(backward.memoryBytes.tables)} of maps and tables, ${bytesText(backward.memoryBytes.tableSums)} of sums for tables' gradients`,
      ],
    )
  }
  return lines.map(([name, text]) => `${name.padEnd(11)}${text}`).join('\n')
}
