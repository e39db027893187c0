// The sum of one number from each thread of a workgroup, always added in the same order.

/** WGSL of `sumOfWorkgroup(thread, value)`, for a power of two of threads. All must call it. */
export function sumOfWorkgroup(threads: number): string {
  return /* wgsl */ `// 4 bytes a thread
var<workgroup> sums: array<f32, ${threads}>;

fn sumOfWorkgroup(thread: u32, value: f32) -> f32 {
  sums[thread] = value;
  for (var half = ${threads / 2}u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (thread < half) { sums[thread] += sums[thread + half]; }
  }
  workgroupBarrier();
  return sums[0];
}`
}
