// The texts of kernels, made once for each way that tensors can be read: a cache of keys is read in the same way at
// every layer and step.

const knownTexts = new WeakMap<object, Map<string, string>>()

/** The text that a plan or one of its parts has under a name, made at its first use. */
export function remembered(owner: object, name: string, make: () => string): string {
  let texts = knownTexts.get(owner)
  if (!texts) knownTexts.set(owner, (texts = new Map()))
  let text = texts.get(name)
  if (text === undefined) texts.set(name, (text = make()))
  return text
}
