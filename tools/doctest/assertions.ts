// Turns the `// => value` comments of an example into assertions:
//
//   sum(1, 2) // => 3                          compared exactly
//   const third = 1 / 3 // => 0.333            compared to the decimals written
//   tensor.storage // => [1, 2]                typed arrays are written as arrays
//   sum('1') // => throws TypeError: sum       the beginning of the error as text
//   picture() // =>                            the comment lines below it, as text
import { parseSync, Visitor, type ESTree, type ParseResult } from 'vite'
import type { Snippet } from './extract.ts'

interface Claim {
  /** Where the comment starts, in the code. */
  readonly at: number
  /** What the comment says, as JavaScript, or the beginning of an error. */
  readonly expected: string
  readonly throws: boolean
}

type Comments = ParseResult['comments']
type Statement = ESTree.ExpressionStatement | ESTree.VariableDeclaration

/** An example as a module that throws where a comment is wrong; `runtime` is what it imports. */
export function withAssertions(snippet: Snippet, runtime: string): string {
  const { code } = snippet
  const { program, comments, errors } = parseSync('example.ts', code)
  const place = (at: number): string =>
    `${snippet.file}:${snippet.line + code.slice(0, at).split('\n').length - 1}`
  if (errors.length > 0) throw new Error(`${place(0)}: ${errors[0]!.message}`)

  const statements = assertableStatements(program)
  const edits = claimsOf(code, comments).map((claim) => {
    const statement = statements
      .filter(({ end }) => end <= claim.at && !code.slice(end, claim.at).trim().replace(/^;/, ''))
      .toSorted((left, right) => right.start - left.start)[0]
    if (!statement) throw new Error(`${place(claim.at)}: no statement ends before this "// =>"`)
    return { ...asserted(code, statement, claim, place(claim.at)), statement }
  })

  let rewritten = code
  for (const { statement, text } of edits.toSorted((a, b) => b.statement.start - a.statement.start))
    rewritten = rewritten.slice(0, statement.start) + text + rewritten.slice(statement.end)
  const names = 'expectThrow as __expectThrow, expectValue as __expectValue, rounded as __rounded'
  return `import { ${names} } from ${JSON.stringify(runtime)};${rewritten}\nexport {}\n`
}

function assertableStatements(program: ESTree.Program): readonly Statement[] {
  const found: Statement[] = []
  const visitor = new Visitor({
    ExpressionStatement: (node) => void found.push(node),
    VariableDeclaration: (node) => void found.push(node),
  })
  visitor.visit(program)
  return found
}

function claimsOf(code: string, comments: Comments): readonly Claim[] {
  return comments.flatMap((comment, index) => {
    const claim = comment.type === 'Line' && /^\s*=>(.*)$/.exec(comment.value)
    if (!claim) return []
    const text = claim[1]!.trim()
    const failure = /^throws\b\s*(.*)$/.exec(text)
    if (failure) return { at: comment.start, expected: failure[1]!, throws: true }
    const expected = text === '' ? picture(code, comments.slice(index)) : value(text)
    return { at: comment.start, expected, throws: false }
  })
}

/** The comment lines that follow without a gap, as a string literal. */
function picture(code: string, comments: Comments): string {
  const lines: string[] = []
  for (let index = 1; index < comments.length; index++) {
    const gap = code.slice(comments[index - 1]!.end, comments[index]!.start)
    if (!/^\n[ \t]*$/.test(gap)) break
    lines.push(comments[index]!.value.replace(/^ /, '').trimEnd())
  }
  return JSON.stringify(lines.join('\n'))
}

/** Numbers with decimals in the comment are compared to those decimals. */
function value(text: string): string {
  const pieces = /('[^']*'|"[^"]*"|`[^`]*`)|(\d+\.(\d+)(?:e[+-]?\d+)?)/g
  return text.replace(pieces, (piece, quoted?: string, number?: string, decimals = '') => {
    if (quoted !== undefined || number === undefined) return piece
    const exponent = Number(/e(.*)$/.exec(number)?.[1] ?? 0)
    return `__rounded(${number}, ${decimals.length - exponent})`
  })
}

function asserted(
  code: string,
  statement: Statement,
  { expected, throws }: Claim,
  where: string,
): { text: string } {
  const source = code.slice(statement.start, statement.end).replace(/;$/, '')
  const label = JSON.stringify(where)
  if (throws) {
    const begins = JSON.stringify(expected)
    return { text: `await __expectThrow(async () => { ${source} }, ${begins}, ${label})` }
  }
  const signed = expected.replace(/-__rounded\(/g, '__rounded(-')
  if (statement.type === 'ExpressionStatement') {
    const logged = /^console\.log\(([\s\S]*)\)$/.exec(source)?.[1]
    return { text: `__expectValue((${logged ?? source}), (${signed}), ${label})` }
  }
  const names = statement.declarations.flatMap(({ id }) => boundNames(id))
  if (names.length !== 1) throw new Error(`${where}: "// =>" after more than one new name`)
  return { text: `${source}; __expectValue(${names[0]}, (${signed}), ${label})` }
}

function boundNames(pattern: ESTree.BindingPattern): readonly string[] {
  if (pattern.type === 'Identifier') return [pattern.name]
  if (pattern.type === 'ObjectPattern') {
    return pattern.properties.flatMap((property) =>
      boundNames(property.type === 'RestElement' ? property.argument : property.value),
    )
  }
  if (pattern.type === 'AssignmentPattern') return boundNames(pattern.left)
  return pattern.elements.flatMap((element) =>
    element ? boundNames(element.type === 'RestElement' ? element.argument : element) : [],
  )
}
