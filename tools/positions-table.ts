// Writes the tables of trained models in the README of positions, from what `attn extrapolate` found:
// node --conditions=attn:source tools/positions-table.ts
import { readFileSync, writeFileSync } from 'node:fs'
import { positionMethodTitles } from '../packages/bench/src/lab/positions/methods.ts'
import type { ExtrapolationReport } from '../packages/bench/src/lab/extrapolate/report.ts'
import { spreads } from '../packages/bench/src/lab/extrapolate/report.ts'
import { scalingNames, scalingTitles } from '../packages/bench/src/lab/extrapolate/scalings.ts'

const readme = new URL('../packages/positions/README.md', import.meta.url)
const results = new URL('../docs/results/lab/extrapolate.json', import.meta.url)
const [begin, end] = ['<!-- trained models: begin -->', '<!-- trained models: end -->']

/** The README as it should be. */
export function withTables(text: string): string {
  const report = JSON.parse(readFileSync(results, 'utf8')) as ExtrapolationReport
  const [before, rest] = text.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`${begin} is missing`)
  return `${before}${begin}\n\n${tables(report)}\n\n${end}${after}`
}

function tables({ plan, models, scaling, lengths, text }: ExtrapolationReport): string {
  const { layers, width, length } = plan.configuration
  const shown = [1, 1.5, 2, 4, 10].map((multiple) => plan.multiples.indexOf(multiple))
  const heads = shown.map((place) => String(lengths[place]))
  const cells = (lists: readonly (readonly number[])[]): string[] => {
    const found = spreads(lists)
    return shown.map((place) => found[place]!.mean.toFixed(2))
  }
  const ours = plan.methods.map((method) => [
    positionMethodTitles[method],
    ...cells(models.filter((model) => model.method === method).map((m) => m.perplexities)),
  ])
  const scaled = scalingNames.map((name) => [
    scalingTitles[name],
    ...cells(scaling.filter((each) => each.name === name).map((each) => each.perplexities)),
  ])
  return [
    `Small decoders for scale: ${layers} layers of width ${width}, characters of ${text.name.split(' (')[0]}, L = ${length}, the mean of ` +
      `${plan.seeds.length} seeds. Perplexity of held-out text at longer lengths, as \`attn extrapolate --preset full\` found it:`,
    markdown(['evaluated at', ...heads], ours),
    'The RoPE models, extended to the length without further training:',
    markdown(['RoPE extended by', ...heads], scaled),
  ].join('\n\n')
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => row[column]!.length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

if (import.meta.main) writeFileSync(readme, withTables(readFileSync(readme, 'utf8')))
