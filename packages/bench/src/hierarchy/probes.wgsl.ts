// Three kernels that do one thing each as fast as the device can: move numbers between memory and
// registers, read workgroup memory, and multiply and add in registers.

/** Threads of a workgroup in all of them. */
export const probeThreads = 256

/** Copies a power of two of vec4f again and again; a round swaps neighbours, so that none is idle. */
export const copyWgsl: string = /* wgsl */ `struct Work { rounds: u32 }
@group(0) @binding(0) var<uniform> work: Work;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> copied: array<vec4f>;

@compute @workgroup_size(${probeThreads})
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let count = arrayLength(&copied);
  for (var round = 0u; round < work.rounds; round++) {
    for (var index = id.x; index < count; index += groups.x * ${probeThreads}u) {
      copied[index] = source[index ^ (round & 31u)];
    }
  }
}
`

/** vec4f of workgroup memory that the probe reads: 8 KiB. */
const tileQuads = 512
/** Reads of a thread in a round. */
export const workgroupReads = 16

/** Reads workgroup memory, a vec4f for each thread at a time, all of a workgroup in a row. */
export const workgroupWgsl: string = /* wgsl */ `struct Work { rounds: u32 }
@group(0) @binding(0) var<uniform> work: Work;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4f>;
var<workgroup> tile: array<vec4f, ${tileQuads}>;

@compute @workgroup_size(${probeThreads})
fn main(
  @builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  for (var quad = thread; quad < ${tileQuads}u; quad += ${probeThreads}u) {
    tile[quad] = vec4f(f32(quad), 1.0, 2.0, 3.0);
  }
  workgroupBarrier();
  var first = vec4f();
  var second = vec4f();
  for (var round = 0u; round < work.rounds; round++) {
    ${Array.from(
      { length: workgroupReads / 2 },
      (_, read) =>
        `first += tile[(thread + round + ${2 * read}u) & ${tileQuads - 1}u];\n    ` +
        `second += tile[(thread + round + ${2 * read + 1}u) & ${tileQuads - 1}u];`,
    ).join('\n    ')}
  }
  sums[group.x * ${probeThreads}u + thread] = first + second;
}
`

const chains = 8

/** Operations of a thread in a round. */
export const operationsPerRound: number = chains * 4 * 2

/** Independent multiply-adds of vec4, whose results stay finite. */
export function arithmeticWgsl(type: 'f32' | 'f16'): string {
  const names = Array.from({ length: chains }, (_, index) => `sum${index}`)
  return /* wgsl */ `${type === 'f16' ? 'enable f16;\n' : ''}struct Work { rounds: u32 }
@group(0) @binding(0) var<uniform> work: Work;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4f>;

@compute @workgroup_size(${probeThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let factor = vec4<${type}>(${type}(0.5)) + vec4<${type}>(${type}(id.x & 1u)) * ${type}(0.125);
  let term = vec4<${type}>(${type}(1.0), ${type}(0.5), ${type}(0.25), ${type}(0.125));
  ${names.map((name, index) => `var ${name} = vec4<${type}>(${type}(${index}));`).join('\n  ')}
  for (var round = 0u; round < work.rounds; round++) {
    ${names.map((name) => `${name} = fma(${name}, factor, term);`).join('\n    ')}
  }
  sums[id.x] = vec4f(${names.join(' + ')});
}
`
}
