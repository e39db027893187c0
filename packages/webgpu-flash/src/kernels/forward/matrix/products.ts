// The two products of a tile. Each matrix of keys or values is loaded once for all blocks of rows.
import { indent, unroll } from '../../../codegen/snippets.ts'
import type { ForwardMatrixConfig } from './config.ts'

/** Statements of a product, in parts that each load one matrix of keys or values. */
interface Product {
  readonly before: string
  readonly steps: readonly string[]
  readonly after: string
}

/**
 * S = Q K^T, to the subgroup's scores in workgroup memory; in a plane for each product where sums are
 * float16.
 */
function scoreProduct({ tile, memory, headDim }: ForwardMatrixConfig): Product {
  const { rows, columns, depth } = tile.matrix
  const stepsPerPlane = Math.ceil(headDim / depth / memory.planes)
  const product = (b: number, n: number, plane: number): string =>
    `product${b}_${n}${memory.planes === 1 ? '' : `_${plane}`}`
  const each = (line: (b: number, n: number, plane: number) => string): string =>
    unroll(tile.keys / columns, (n) =>
      unroll(tile.rowBlocks, (b) => unroll(memory.planes, (plane) => line(b, n, plane))),
    )
  const step = (n: number, k: number): string => {
    const place = n * columns * memory.keyStride + (k * depth) / 4
    const plane = Math.floor(k / stepsPerPlane)
    return `{
  let keys = subgroupMatrixLoad<Right, col_major>(&keyRows, ${place}u, ${memory.keyStride}u);
${unroll(tile.rowBlocks, (b) => `  ${product(b, n, plane)} = subgroupMatrixMultiplyAccumulate(query${b}_${k}, keys, ${product(b, n, plane)});`)}
}`
  }
  return {
    before: each((b, n, plane) => `var ${product(b, n, plane)} = Result();`),
    steps: pairs(tile.keys / columns, headDim / depth).map(([n, k]) => step(n, k)),
    after: each(
      (b, n, plane) =>
        `subgroupMatrixStore<row_major>(&scores[subgroup], ${plane * memory.scores + b * rows * memory.scoreStride + (n * columns) / 4}u, ${product(b, n, plane)}, scoreStride);`,
    ),
  }
}

/** O += P V. */
function outputProduct({ tile, memory, valueDim }: ForwardMatrixConfig): Product {
  const { rows, columns, depth } = tile.matrix
  const step = (k: number, c: number): string => {
    const place = k * depth * memory.valueStride + (c * columns) / 4
    return `{
  let values = subgroupMatrixLoad<Right, row_major>(&valueRows, ${place}u, ${memory.valueStride}u);
${unroll(tile.rowBlocks, (b) => `  output${b}_${c} = subgroupMatrixMultiplyAccumulate(weights${b}_${k}, values, output${b}_${c});`)}
}`
  }
  return {
    before: unroll(tile.keys / depth, (k) =>
      unroll(
        tile.rowBlocks,
        (b) =>
          `let weights${b}_${k} = subgroupMatrixLoad<Left, row_major>(&probabilities[subgroup], ${b * rows * memory.probabilityStride + (k * depth) / 4}u, probabilityStride);`,
      ),
    ),
    steps: pairs(tile.keys / depth, valueDim / columns).map(([k, c]) => step(k, c)),
    after: '',
  }
}

const pairs = (first: number, second: number): [number, number][] =>
  Array.from({ length: first * second }, (_, i) => [Math.floor(i / second), i % second])

const text = ({ before, steps, after }: Product): string =>
  `{\n${indent([before, ...steps, after].filter((part) => part !== '').join('\n'), 2)}\n}`

/**
 * P V of one tile alone, of some columns' matrices, and what is done with them.
 *
 * @param use - Statements with the matrix of block b and columns c.
 */
export function outputProducts(
  config: ForwardMatrixConfig,
  first: number,
  count: number,
  use: (name: (b: number, c: number) => string) => string,
): string {
  const { tile, memory } = config
  const { depth, columns } = tile.matrix
  const each = (line: (b: number, c: number) => string): string =>
    unroll(tile.rowBlocks, (b) => unroll(count, (n) => line(b, first + n)))
  const name = (b: number, c: number): string => `output${b}_${c}`
  const steps = pairs(tile.keys / depth, count).map(([k, n]) => {
    const c = first + n
    const place = k * depth * memory.valueStride + (c * columns) / 4
    return `{
  let values = subgroupMatrixLoad<Right, row_major>(&valueRows, ${place}u, ${memory.valueStride}u);
${unroll(tile.rowBlocks, (b) => `  ${name(b, c)} = subgroupMatrixMultiplyAccumulate(weights${b}_${k}, values, ${name(b, c)});`)}
}`
  })
  const before = `${outputProduct(config).before}\n${each((b, c) => `var ${name(b, c)} = Result();`)}`
  return text({ before, steps, after: use(name) })
}

/** The scores of the tile whose keys are in workgroup memory. */
export function scoreProducts(config: ForwardMatrixConfig): string {
  return text(scoreProduct(config))
}

/** The values of a tile, added to the output. */
export function outputOfTile(config: ForwardMatrixConfig): string {
  return text(outputProduct(config))
}

/**
 * The values of a tile, added to the output, and the scores of the next tile, whose keys have come (after the last
 * tile for nothing), woven into one another, so that loads for one wait while the other multiplies.
 */
export function wovenProducts(config: ForwardMatrixConfig): string {
  const [output, score] = [outputProduct(config), scoreProduct(config)]
  const ratio = output.steps.length / score.steps.length
  const steps = score.steps.flatMap((step, i) => [
    step,
    ...output.steps.slice(Math.floor(i * ratio), Math.floor((i + 1) * ratio)),
  ])
  return text({ before: `${score.before}\n${output.before}`, steps, after: score.after })
}

/** A line for each matrix of the output: block of rows b, columns c. */
export function eachOutput(
  { tile, valueDim }: ForwardMatrixConfig,
  line: (name: string, b: number, c: number) => string,
): string {
  return unroll(tile.rowBlocks, (b) =>
    unroll(valueDim / tile.matrix.columns, (c) => line(`output${b}_${c}`, b, c)),
  )
}
