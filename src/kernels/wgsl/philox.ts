/** @file Philox4x32-10 in WGSL, the words of src/core/random.ts bit for bit (Salmon et al. 2011). */

/**
 * Declares `fn philox(block: u32, key: vec2u) -> vec4u`, the four words of a block below 2^32. WGSL has no product of 64
 * bits, so the upper half is put together from products of 16-bit halves.
 */
export const PHILOX = `
  fn multiply_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
  }
  fn philox(block: u32, key: vec2u) -> vec4u {
    var c = vec4u(block, 0u, 0u, 0u);
    var k = key;
    for (var round = 0u; round < 10u; round++) {
      let high0 = multiply_high(c.x, 0xd2511f53u);
      let high1 = multiply_high(c.z, 0xcd9e8d57u);
      c = vec4u(high1 ^ c.y ^ k.x, c.z * 0xcd9e8d57u, high0 ^ c.w ^ k.y, c.x * 0xd2511f53u);
      k += vec2u(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
  }`;
