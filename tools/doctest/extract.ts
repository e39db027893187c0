// Finds the examples of the documentation: every ```ts block of a Markdown file, and every one
// under an @example in a doc comment.

export interface Snippet {
  /** The file it stands in, from the repository root. */
  readonly file: string
  /** The line of its first line of code, counted from 1. */
  readonly line: number
  readonly code: string
  /** False for blocks marked `no-run`, which need a page around them. */
  readonly run: boolean
}

interface Line {
  readonly number: number
  readonly text: string
}

/** The ```ts blocks of a Markdown file. */
export function markdownSnippets(file: string, markdown: string): readonly Snippet[] {
  return fencedSnippets(file, numbered(markdown.split('\n'), 1))
}

/** The ```ts blocks under the @example tags of a TypeScript file. */
export function docCommentSnippets(file: string, source: string): readonly Snippet[] {
  return [...source.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap(({ 0: comment, index }) => {
    const first = source.slice(0, index).split('\n').length
    const texts = comment.split('\n').map((line) => line.replace(/^\s*(?:\/\*\*|\*(?!\/)) ?/, ''))
    return examples(numbered(texts, first)).flatMap((example) => {
      const snippets = fencedSnippets(file, example)
      if (snippets.length === 0) {
        throw new Error(`${file}:${example[0]!.number}: an @example without a \`\`\`ts block`)
      }
      return snippets
    })
  })
}

function numbered(texts: readonly string[], first: number): Line[] {
  return texts.map((text, index) => ({ number: first + index, text }))
}

/** Splits a doc comment into the lines from each @example to the next block tag. */
function examples(lines: readonly Line[]): Line[][] {
  const found: Line[][] = []
  let current: Line[] | undefined
  let fenced = false
  for (const line of lines) {
    if (line.text.startsWith('```')) fenced = !fenced
    const tag = fenced ? undefined : /^@(\w+)/.exec(line.text)?.[1]
    if (tag === 'example') found.push((current = []))
    else if (tag !== undefined) current = undefined
    current?.push(line)
  }
  return found
}

function fencedSnippets(file: string, lines: readonly Line[]): Snippet[] {
  const snippets: Snippet[] = []
  let open: { language: string; flags: readonly string[]; indent: string; body: Line[] } | undefined
  for (const line of lines) {
    const fence = /^(\s*)```(\S*)\s*(.*?)\s*$/.exec(line.text)
    if (!fence) {
      open?.body.push(line)
    } else if (!open) {
      const [, indent = '', language = '', flags = ''] = fence
      open = { indent, language, flags: flags.split(/\s+/), body: [] }
    } else {
      const { language, flags, indent, body } = open
      open = undefined
      if (language !== 'ts' || body.length === 0) continue
      const code = body.map(({ text }) => text.replace(indent, '')).join('\n')
      snippets.push({ file, line: body[0]!.number, code, run: !flags.includes('no-run') })
    }
  }
  if (open) throw new Error(`${file}: a \`\`\`${open.language} block is not closed`)
  return snippets
}
