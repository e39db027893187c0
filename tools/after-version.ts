// node tools/after-version.ts, after `changeset version`: what else says which version this is. The manifests
// of JSR, and the sentence of READMEs that there is no release yet, which ends with the first.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jsrManifest, jsrPackages } from './jsr.ts'
import { notYetPublished, readmes, textAfterRelease } from './published.ts'
import { readRepositoryFile, repository, workspacePackages } from './workspace.ts'

for (const folder of jsrPackages) {
  writeFileSync(join(repository, folder, 'jsr.json'), jsrManifest(folder))
}
if (workspacePackages().every(({ manifest }) => manifest.version !== '0.0.0')) {
  for (const file of readmes) {
    const text = readRepositoryFile(file)
    if (!text.includes(notYetPublished)) continue
    writeFileSync(join(repository, file), textAfterRelease(text))
  }
}
