// The product of two matrices for every head, tiled twice: a workgroup keeps a tile of the result in
// registers, each of its 256 threads a block of 8x8 (fewer for narrow results), and walks along the
// depth in slabs of 16 that it brings to workgroup memory. Each number read from there is used 8
// times, each read from the buffers 64 or 128 times. The textbook scheme: Goto and van de Geijn,
// "Anatomy of High-Performance Matrix Multiplication", 2008.
import type { DType } from '@attn/core'
import { quadConversions, quadType } from './storage.wgsl.ts'

/** Tile sizes; the numbers of rows and columns are multiples of four. */
export interface MatrixProductTile {
  readonly rows: number
  readonly columns: number
  readonly rowsPerThread: number
  readonly columnsPerThread: number
}

/** What is baked into the shader. */
export interface MatrixProductConfig {
  readonly tile: MatrixProductTile
  readonly dtype: DType
  /** Whether the left matrix lies as `[depth, rows]` and not `[rows, depth]`. Default: false. */
  readonly leftTransposed?: boolean
  /** Whether the right matrix lies as `[columns, depth]` (keys) and not `[depth, columns]` (values). */
  readonly rightTransposed: boolean
}

/** Depth of a slab: two tiles of 128 x 16 float32 are the 16 KiB that every device has. */
const slab = 16
const threads = 256

/** The tile that suits a result of so many columns. */
export function matrixProductTile(columns: number): MatrixProductTile {
  if (columns <= 32) return { rows: 128, columns: 32, rowsPerThread: 4, columnsPerThread: 4 }
  if (columns <= 64) return { rows: 128, columns: 64, rowsPerThread: 8, columnsPerThread: 4 }
  return { rows: 128, columns: 128, rowsPerThread: 8, columnsPerThread: 8 }
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/**
 * WGSL for `output = scale * left * right`, one workgroup per tile (x along columns, y along rows)
 * and head (z). Rows, columns and depth are multiples of four elements in memory; beyond them reads
 * give zero and nothing is written.
 */
export function matrixProductWgsl(config: MatrixProductConfig): string {
  const { tile, dtype, leftTransposed = false, rightTransposed } = config
  const rowQuads = tile.rows / 4
  const columnQuads = tile.columns / 4
  const threadRowQuads = tile.rowsPerThread / 4
  const threadColumnQuads = tile.columnsPerThread / 4
  const columnThreads = columnQuads / threadColumnQuads
  const rowThreads = rowQuads / threadRowQuads
  const sums = range(tile.rowsPerThread).flatMap((row) =>
    range(threadColumnQuads).map((quad) => ({ row, quad, name: `sum${row}_${quad}` })),
  )
  const lines = (parts: readonly string[], indent: string): string => parts.join(`\n${indent}`)

  return /* wgsl */ `// One buffer per matrix and all heads in it; a head's matrix follows the one before.
struct Shape {
  rows: u32,
  columnQuads: u32,
  depthQuads: u32,
  // Rows of the right matrix that exist, where its storage is padded to a multiple of four.
  rightRows: u32,
  leftFirstHead: u32,
  rightFirstHead: u32,
  outputFirstHead: u32,
  scale: f32,
}
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> left: array<${quadType(dtype)}>;
@group(0) @binding(2) var<storage, read> right: array<${quadType(dtype)}>;
@group(0) @binding(3) var<storage, read_write> output: array<${quadType(dtype)}>;

// Depth by rows and depth by columns, so that a thread reads its operands as vectors.
var<workgroup> leftTile: array<vec4f, ${slab * rowQuads}>;
var<workgroup> rightTile: array<vec4f, ${slab * columnQuads}>;

${quadConversions(dtype)}

${leftTransposed ? transposedLeftQuad : plainLeftQuad}

${rightTransposed ? transposedRightQuad : plainRightQuad}

@compute @workgroup_size(${threads})
fn main(
  @builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let leftHead = shape.leftFirstHead + group.z;
  let rightHead = shape.rightFirstHead + group.z;
  let firstRow = group.y * ${tile.rows}u;
  let firstColumnQuad = group.x * ${columnQuads}u;
  let threadColumn = thread % ${columnThreads}u;
  let threadRow = thread / ${columnThreads}u;
  ${lines(
    sums.map(({ name }) => `var ${name} = vec4f();`),
    '  ',
  )}

  for (var depthQuad = 0u; depthQuad < shape.depthQuads; depthQuad += ${slab / 4}u) {
    ${leftTransposed ? loadTransposedLeft(rowQuads) : loadPlainLeft(rowQuads)}
    ${rightTransposed ? loadTransposedRight(columnQuads) : loadPlainRight(columnQuads)}
    workgroupBarrier();

    for (var depth = 0u; depth < ${slab}u; depth++) {
      ${lines(
        range(threadRowQuads).map(
          (quad) =>
            `let left${quad} = leftTile[depth * ${rowQuads}u + threadRow + ${quad * rowThreads}u];`,
        ),
        '      ',
      )}
      ${lines(
        range(threadColumnQuads).map(
          (quad) =>
            `let right${quad} = rightTile[depth * ${columnQuads}u + threadColumn + ${quad * columnThreads}u];`,
        ),
        '      ',
      )}
      ${lines(
        sums.map(
          ({ row, quad, name }) => `${name} += left${row >> 2}.${'xyzw'[row & 3]} * right${quad};`,
        ),
        '      ',
      )}
    }
    workgroupBarrier();
  }

  let outputHead = shape.outputFirstHead + group.z;
  ${lines(
    sums.map(
      ({ row, quad, name }) =>
        `store(outputHead, firstRow + (threadRow + ${(row >> 2) * rowThreads}u) * 4u + ${row & 3}u, ` +
        `firstColumnQuad + threadColumn + ${quad * columnThreads}u, ${name});`,
    ),
    '  ',
  )}
}

fn store(head: u32, row: u32, columnQuad: u32, values: vec4f) {
  if (row >= shape.rows || columnQuad >= shape.columnQuads) { return; }
  output[(head * shape.rows + row) * shape.columnQuads + columnQuad] =
    packQuad(values * shape.scale);
}
`
}

const plainLeftQuad = /* wgsl */ `fn leftQuad(head: u32, row: u32, depthQuad: u32) -> vec4f {
  if (row >= shape.rows || depthQuad >= shape.depthQuads) { return vec4f(); }
  return unpackQuad(left[(head * shape.rows + row) * shape.depthQuads + depthQuad]);
}`

// As deep as the right matrix, whose rows are then the depth as well; rows padded to four.
const transposedLeftQuad = /* wgsl */ `fn leftQuad(head: u32, depth: u32, rowQuad: u32) -> vec4f {
  let rowQuads = (shape.rows + 3u) / 4u;
  if (depth >= shape.rightRows || rowQuad >= rowQuads) { return vec4f(); }
  return unpackQuad(left[(head * shape.rightRows + depth) * rowQuads + rowQuad]);
}`

const transposedRightQuad = /* wgsl */ `fn rightQuad(head: u32, column: u32, depthQuad: u32) -> vec4f {
  if (column >= shape.rightRows || depthQuad >= shape.depthQuads) { return vec4f(); }
  return unpackQuad(right[(head * shape.rightRows + column) * shape.depthQuads + depthQuad]);
}`

const plainRightQuad = /* wgsl */ `fn rightQuad(head: u32, depth: u32, columnQuad: u32) -> vec4f {
  if (depth >= shape.rightRows || columnQuad >= shape.columnQuads) { return vec4f(); }
  return unpackQuad(right[(head * shape.rightRows + depth) * shape.columnQuads + columnQuad]);
}`

const loadPlainLeft = (
  rowQuads: number,
): string => /* wgsl */ `// Each step moves a block of 4 rows by 4 depths and turns it round on the way.
    for (var block = thread; block < ${(rowQuads * slab) / 4}u; block += ${threads}u) {
      let rowQuad = block / ${slab / 4}u;
      let depth = block % ${slab / 4}u;
      let row = firstRow + rowQuad * 4u;
      let turned = transpose(mat4x4f(
        leftQuad(leftHead, row, depthQuad + depth),
        leftQuad(leftHead, row + 1u, depthQuad + depth),
        leftQuad(leftHead, row + 2u, depthQuad + depth),
        leftQuad(leftHead, row + 3u, depthQuad + depth),
      ));
      leftTile[(depth * 4u) * ${rowQuads}u + rowQuad] = turned[0];
      leftTile[(depth * 4u + 1u) * ${rowQuads}u + rowQuad] = turned[1];
      leftTile[(depth * 4u + 2u) * ${rowQuads}u + rowQuad] = turned[2];
      leftTile[(depth * 4u + 3u) * ${rowQuads}u + rowQuad] = turned[3];
    }`

const loadTransposedLeft = (rowQuads: number): string => /* wgsl */ `for (
      var quad = thread;
      quad < ${rowQuads * slab}u;
      quad += ${threads}u
    ) {
      leftTile[quad] = leftQuad(
        leftHead,
        depthQuad * 4u + quad / ${rowQuads}u,
        firstRow / 4u + quad % ${rowQuads}u,
      );
    }`

const loadTransposedRight = (columnQuads: number): string => /* wgsl */ `for (
      var block = thread;
      block < ${(columnQuads * slab) / 4}u;
      block += ${threads}u
    ) {
      let columnQuad = block / ${slab / 4}u;
      let depth = block % ${slab / 4}u;
      let column = (firstColumnQuad + columnQuad) * 4u;
      let turned = transpose(mat4x4f(
        rightQuad(rightHead, column, depthQuad + depth),
        rightQuad(rightHead, column + 1u, depthQuad + depth),
        rightQuad(rightHead, column + 2u, depthQuad + depth),
        rightQuad(rightHead, column + 3u, depthQuad + depth),
      ));
      rightTile[(depth * 4u) * ${columnQuads}u + columnQuad] = turned[0];
      rightTile[(depth * 4u + 1u) * ${columnQuads}u + columnQuad] = turned[1];
      rightTile[(depth * 4u + 2u) * ${columnQuads}u + columnQuad] = turned[2];
      rightTile[(depth * 4u + 3u) * ${columnQuads}u + columnQuad] = turned[3];
    }`

const loadPlainRight = (columnQuads: number): string => /* wgsl */ `for (
      var quad = thread;
      quad < ${columnQuads * slab}u;
      quad += ${threads}u
    ) {
      rightTile[quad] = rightQuad(
        rightHead,
        depthQuad * 4u + quad / ${columnQuads}u,
        firstColumnQuad + quad % ${columnQuads}u,
      );
    }`
