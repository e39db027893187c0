/**
 * WGSL of `multiplyHigh(x, y)`: the upper 32 bits of products, which WGSL has no operation for. They
 * are summed from products of 16-bit halves.
 */
export const multiplyHighFunction: string = /* wgsl */ `// WGSL has no 64-bit product: its upper half is summed from products of 16-bit halves.
fn multiplyHigh(x: vec4<u32>, y: u32) -> vec4<u32> {
  let xHigh = x >> vec4<u32>(16u);
  let xLow = x & vec4<u32>(0xffffu);
  let middle = xHigh * (y & 0xffffu) + ((xLow * (y & 0xffffu)) >> vec4<u32>(16u));
  let carry = (middle & vec4<u32>(0xffffu)) + xLow * (y >> 16u);
  return xHigh * (y >> 16u) + (middle >> vec4<u32>(16u)) + (carry >> vec4<u32>(16u));
}`
