// Names for texts that may change, such as kernels.

/** Eight digits that change with the text. FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
export function textHash(text: string): string {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return (value >>> 0).toString(16).padStart(8, '0')
}
