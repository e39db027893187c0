// FlashAttention in three partitions of the same work. Every one computes the same tiles of 128 queries by
// 32 keys with the same code, a thread for each query row; they differ in which loop is outside and in
// what a workgroup is given, and in nothing else.

/** Rows of a query tile, one thread each. */
export const queryRows = 128
/** Rows of a key tile: with 64 dims the two tiles are the 16 KiB that every device has. */
export const keyRows = 32
const group = 8

/** What is baked into the shader. */
export interface TileKernelConfig {
  /** `keys-outside` is FlashAttention's loop, with partial outputs in memory. */
  readonly loopOrder: 'keys-outside' | 'queries-outside'
  /** A multiple of four, at most 64. */
  readonly headDim: number
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

/**
 * WGSL over `[heads, length, dim]`, a head for each workgroup (x); with queries outside the query tiles
 * are dealt over workgroups (y) as well, `tilesEach` to each.
 */
export function tileKernelWgsl({ loopOrder, headDim }: TileKernelConfig): string {
  const quads = headDim / 4
  const each = (write: (index: number) => string, indent = '  '): string =>
    range(quads).map(write).join(`\n${indent}`)
  return /* wgsl */ `struct Shape { length: u32, queryTiles: u32, keyTiles: u32, tilesEach: u32, scale: f32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> key: array<vec4f>;
@group(0) @binding(3) var<storage, read> value: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;
${loopOrder === 'keys-outside' ? '// Maximum and sum of each row so far.\n@group(0) @binding(5) var<storage, read_write> statistics: array<vec2f>;' : ''}

// ${2 * keyRows * headDim * 4} bytes.
var<workgroup> keyTile: array<vec4f, ${keyRows * quads}>;
var<workgroup> valueTile: array<vec4f, ${keyRows * quads}>;

// The row of this thread, in registers: its query, its weighted sum, and its running softmax.
${each((d) => `var<private> q${d}: vec4f;\nvar<private> sum${d}: vec4f;`, '')}
var<private> maximum: f32;
var<private> total: f32;

fn loadQuery(row: u32) {
  ${each((d) => `q${d} = query[row * ${quads}u + ${d}u] * shape.scale;`)}
}

fn startRow() {
  maximum = -3.4028234e38;
  total = 0.0;
  ${each((d) => `sum${d} = vec4f();`)}
}

fn loadTile(thread: u32, head: u32, tile: u32) {
  workgroupBarrier();
  let first = tile * ${keyRows}u;
  for (var quad = thread; quad < ${keyRows * quads}u; quad += ${queryRows}u) {
    if (first + quad / ${quads}u < shape.length) {
      let at = (head * shape.length + first) * ${quads}u + quad;
      keyTile[quad] = key[at];
      valueTile[quad] = value[at];
    }
  }
  workgroupBarrier();
}

fn score(column: u32) -> f32 {
  let at = column * ${quads}u;
  var product = vec4f();
  ${each((d) => `product = fma(q${d}, keyTile[at + ${d}u], product);`)}
  return dot(product, vec4f(1.0));
}

/** The running softmax takes ${group} keys at a time. */
fn absorb(tile: u32) {
  let columns = min(${keyRows}u, shape.length - tile * ${keyRows}u);
  for (var column = 0u; column < columns; column += ${group}u) {
    ${range(group)
      .map(
        (k) =>
          `let score${k} = select(-3.4028234e38, score(column + ${k}u), column + ${k}u < columns);`,
      )
      .join('\n    ')}
    let largest = ${range(group).reduce((text, k) => `max(${text}, score${k})`, 'maximum')};
    let rescale = exp(maximum - largest);
    maximum = largest;
    ${range(group)
      .map((k) => `let weight${k} = exp(score${k} - largest);`)
      .join('\n    ')}
    total = total * rescale + ${range(group)
      .map((k) => `weight${k}`)
      .join(' + ')};
    let at = column * ${quads}u;
    ${each(
      (d) =>
        `sum${d} = sum${d} * rescale + ${range(group)
          .map((k) => `weight${k} * valueTile[at + ${k * quads + d}u]`)
          .join(' + ')};`,
      '    ',
    )}
  }
}

fn storeRow(row: u32) {
  let inverse = 1.0 / total;
  ${each((d) => `output[row * ${quads}u + ${d}u] = sum${d} * inverse;`)}
}

${loopOrder === 'keys-outside' ? keysOutside(each, quads) : queriesOutside}
`
}

const entry = /* wgsl */ `@compute @workgroup_size(${queryRows})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3u) {
  let head = id.x;`

// The last key group may read past the tile's keys, whose weight is then 0; stale numbers are finite.
const queriesOutside = /* wgsl */ `${entry}
  let first = id.y * shape.tilesEach;
  for (var tile = first; tile < min(first + shape.tilesEach, shape.queryTiles); tile++) {
    let place = tile * ${queryRows}u + thread;
    let row = head * shape.length + min(place, shape.length - 1u);
    loadQuery(row);
    startRow();
    for (var keys = 0u; keys < shape.keyTiles; keys++) {
      loadTile(thread, head, keys);
      absorb(keys);
    }
    if (place < shape.length) { storeRow(row); }
  }
}`

const keysOutside = (
  each: (write: (index: number) => string, indent?: string) => string,
  quads: number,
): string => /* wgsl */ `${entry}
  for (var keys = 0u; keys < shape.keyTiles; keys++) {
    loadTile(thread, head, keys);
    for (var tile = 0u; tile < shape.queryTiles; tile++) {
      let place = tile * ${queryRows}u + thread;
      if (place < shape.length) {
        let row = head * shape.length + place;
        loadQuery(row);
        if (keys == 0u) {
          startRow();
        } else {
          let known = statistics[row];
          maximum = known.x;
          total = known.y;
          ${each((d) => `sum${d} = output[row * ${quads}u + ${d}u] * total;`, '          ')}
        }
        absorb(keys);
        storeRow(row);
        statistics[row] = vec2f(maximum, total);
      }
    }
  }
}`
