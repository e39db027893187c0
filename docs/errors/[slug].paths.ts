// A page for each code that errors carry, from the table that tests compare with the sources.
import { addressOf, errorPages } from '../../tools/error-table.ts'
import type { ErrorPage } from '../../tools/error-table.ts'

function textOf({ type, title, cause, remedies, example }: ErrorPage): string {
  const help = remedies.map((remedy) => `- ${remedy}`).join('\n')
  return `**${title}.** The \`code\` of a \`${type}\`.

${cause}

## What helps

${help}

## In a program

\`\`\`ts
${example}
\`\`\`
`
}

const routes = {
  paths: () =>
    errorPages.map((page) => ({
      params: { slug: addressOf(page.code), code: page.code },
      content: textOf(page),
    })),
}
// VitePress asks for it.
// oxlint-disable-next-line import/no-default-export
export default routes
