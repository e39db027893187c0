// A line of text as a tree, for masks and score modifiers alike. The text may come from anyone's link, so it is parsed,
// never run: what is not named in `read-tree.ts` is an error.
import jsep, { type Expression } from 'jsep'
import { partsOf } from './tree.ts'

/** What names stand for besides the visitor's own. */
export const coordinateNames = {
  q: 'position of the query',
  k: 'position of the key',
  h: 'head',
  b: 'sequence of the batch',
  L: 'number of queries',
  S: 'number of keys',
  H: 'number of heads',
} as const

/** A text longer than this is refused. */
const longest = 1000
const mostNumbers = 8

/** A text that was read. */
export interface ParsedText {
  readonly tree: Expression
  /** Names that are not known, in the order they appear: the visitor's numbers. */
  readonly numbers: readonly string[]
}

/** The visitor's numbers by name; one that has none yet is 0. */
export const numberOf =
  (values: Readonly<Record<string, number>>) =>
  (name: string): number =>
    Object.hasOwn(values, name) ? values[name]! : 0

/**
 * Reads a text.
 *
 * @param known - Names that stand for something.
 * @param empty - What to say where nothing is written.
 * @throws SyntaxError with what is wrong, in words for the visitor.
 */
export function parseText(text: string, known: ReadonlySet<string>, empty: string): ParsedText {
  if (text.length > longest) {
    throw new SyntaxError(`at most ${longest} characters are read, there are ${text.length}`)
  }
  if (text.trim() === '') throw new SyntaxError(empty)
  const tree = parse(text)
  const numbers = namesIn(tree).filter((name) => !known.has(name))
  if (numbers.length > mostNumbers) {
    throw new SyntaxError(
      `at most ${mostNumbers} numbers can have names, here are ${numbers.length}`,
    )
  }
  return { tree, numbers }
}

function parse(text: string): Expression {
  try {
    return jsep(text)
  } catch (error) {
    throw new SyntaxError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function namesIn(tree: Expression): string[] {
  const found = new Set<string>()
  const visit = (node: Expression): void => {
    if (node.type === 'Identifier') {
      const name = node['name'] as string
      if (!/^[a-z][a-z0-9]{0,15}$/i.test(name)) {
        throw new SyntaxError(`names are letters and digits, at most 16, got ${name.slice(0, 20)}`)
      }
      found.add(name)
    }
    partsOf(node).forEach(visit)
  }
  visit(tree)
  return [...found]
}

/** What is wrong with a text, in words for the visitor; undefined where nothing is. */
export function errorIn(parse: (text: string) => unknown, text: string): string | undefined {
  try {
    parse(text)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
