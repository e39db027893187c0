// Compares what an example computed with what its `// =>` comment says. Plain functions without an
// import, as they also travel into the project that tries out the packed packages.

/** A number written with decimals: equal to whatever rounds to it. */
export interface Rounded {
  readonly value: number
  readonly decimals: number
}

const roundedNumbers = new WeakSet<object>()

/** Marks a number that stands in a comment with some decimals. */
export function rounded(value: number, decimals: number): Rounded {
  const marked = { value, decimals }
  roundedNumbers.add(marked)
  return marked
}

/** Throws where an example's value is not the one its comment gives. */
export function expectValue(actual: unknown, expected: unknown, where: string): void {
  if (!matches(actual, expected)) {
    throw new Error(`${where}: the comment says ${show(expected)}, the code gives ${show(actual)}`)
  }
}

/** Throws where an example does not fail in the way its comment says. */
export async function expectThrow(
  code: () => unknown,
  expected: string,
  where: string,
): Promise<void> {
  let thrown: string | undefined
  try {
    await code()
  } catch (error) {
    thrown = `${error as Error}`
  }
  if (thrown?.startsWith(expected)) return
  const instead = thrown === undefined ? 'it does not' : `it throws ${thrown}`
  throw new Error(`${where}: the comment says it throws ${expected}; ${instead}`)
}

function matches(actual: unknown, expected: unknown): boolean {
  if (isRounded(expected)) {
    const slack = 0.5 * 10 ** -expected.decimals * (1 + 1e-6)
    return typeof actual === 'number' && Math.abs(actual - expected.value) <= slack
  }
  if (typeof actual !== 'object' || typeof expected !== 'object' || !actual || !expected) {
    return actual === expected || Object.is(actual, expected)
  }
  const left = plain(actual)
  const right = plain(expected)
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const keys = Object.keys(right)
  return (
    Object.keys(left).length === keys.length &&
    keys.every((key) => key in left && matches(left[key], right[key]))
  )
}

function isRounded(value: unknown): value is Rounded {
  return typeof value === 'object' && value !== null && roundedNumbers.has(value)
}

/** Typed arrays and sets as arrays, maps as objects, so that a comment can write them down. */
function plain(value: object): Record<string, unknown> {
  const readable =
    ArrayBuffer.isView(value) || value instanceof Set
      ? Array.from(value as unknown as Iterable<unknown>)
      : value instanceof Map
        ? Object.fromEntries(value)
        : value
  return readable as Record<string, unknown>
}

function show(value: unknown): string {
  if (isRounded(value)) return value.value.toFixed(value.decimals)
  if (typeof value === 'number' || value === undefined) return String(value)
  if (typeof value === 'function') return 'a function'
  const text = JSON.stringify(value, (_, inner: unknown) => {
    if (isRounded(inner)) return inner.value
    if (typeof inner === 'number' && !Number.isFinite(inner)) return String(inner)
    if (typeof inner === 'bigint') return `${inner}n`
    return typeof inner === 'object' && inner !== null ? plain(inner) : inner
  })
  return text.length > 600 ? `${text.slice(0, 600)}…` : text
}
