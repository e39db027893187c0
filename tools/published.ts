// Where it is said that packages cannot be installed yet.
import { workspacePackages } from './workspace.ts'

/** The sentence, until the first release. */
export const notYetPublished = 'Not yet published: the first release, 0.1.0, is being prepared.'

/** The files that say how to install a package. */
export const readmes: readonly string[] = [
  'README.md',
  'docs/guide/getting-started.md',
  ...workspacePackages().map(({ folder }) => `${folder}/README.md`),
]

/** A README without the sentence. */
export function textAfterRelease(text: string): string {
  return text.replace(`${notYetPublished}\n\n`, '')
}
