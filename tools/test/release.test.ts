// What a release is made of: changelogs that people can read, and manifests of both registries that agree.
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { jsrManifest, jsrPackages } from '../jsr.ts'
import { notYetPublished, readmes, textAfterRelease } from '../published.ts'
import { runProgram } from '../run-program.ts'
import { readRepositoryFile, repository, typescriptFiles, workspacePackages } from '../workspace.ts'

interface Changelog {
  getReleaseLine(changeset: { summary: string }): Promise<string>
  getDependencyReleaseLine(): Promise<string>
}
const file = new URL('../changelog.mjs', import.meta.url).href
const { default: changelog } = (await import(file)) as { default: Changelog }

test('changelogs have points for what is short, texts for what is long, nothing for what follows', async () => {
  expect(await changelog.getReleaseLine({ summary: 'one thing\nand its reason\n' })).toBe(
    '- one thing\n  and its reason',
  )
  expect(await changelog.getReleaseLine({ summary: 'a text\n\n- of parts' })).toBe(
    '\na text\n\n- of parts\n',
  )
  expect(await changelog.getDependencyReleaseLine()).toBe('')
  const config = JSON.parse(readRepositoryFile('.changeset/config.json')) as { changelog: string }
  expect(config.changelog).toBe('../tools/changelog.mjs')
})

test.each(readmes)('%s says so while nothing is published', (readme) => {
  const published = workspacePackages().every(({ manifest }) => manifest.version !== '0.0.0')
  const text = readRepositoryFile(readme)
  expect(text.includes(notYetPublished)).toBe(!published)
  expect(textAfterRelease(text)).not.toContain(notYetPublished)
})

describe.each(jsrPackages)('%s on JSR', (folder) => {
  test('says what its package.json says; `node tools/after-version.ts` writes it', () => {
    expect(readRepositoryFile(`${folder}/jsr.json`)).toBe(jsrManifest(folder))
  })

  test('exports files that are there, and names all that they import', () => {
    const { exports, imports } = JSON.parse(jsrManifest(folder)) as Record<
      'exports' | 'imports',
      Record<string, string>
    >
    expect(Object.values(exports).length).toBeGreaterThan(0)
    for (const file of Object.values(exports)) {
      expect(existsSync(join(repository, folder, file))).toBe(true)
    }
    const sources = typescriptFiles(`${folder}/src`).map(readRepositoryFile)
    const named = sources.flatMap((text) =>
      [...text.matchAll(/^(?:import|export)(?: type)? \{[^}]*\} from '([^'.][^']*)'/gm)].map(
        ([, name]) => name!,
      ),
    )
    // Only its types are read, and that where it is installed.
    const wanted = new Set(named.filter((name) => name !== 'webgpu'))
    expect(new Set(Object.keys(imports))).toEqual(wanted)
  })
})

const pending = globSync('*.md', { cwd: join(repository, '.changeset') })

describe.skipIf(pending.length === 0)('the next release', () => {
  const folder = mkdtempSync(join(tmpdir(), 'attn-release-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8')

  test('is one version of all packages, and one text', () => {
    for (const part of [
      'package.json',
      'pnpm-workspace.yaml',
      '.changeset',
      'tools/changelog.mjs',
    ]) {
      cpSync(join(repository, part), join(folder, part), { recursive: true })
    }
    const manifests = globSync('{packages,apps}/*/package.json', { cwd: repository })
    for (const file of [...manifests, 'docs/package.json']) {
      cpSync(join(repository, file), join(folder, file))
    }
    const command = join(repository, 'node_modules/@changesets/cli/bin.js')
    runProgram(process.execPath, [command, 'version'], folder)
    const published = workspacePackages().map(({ folder: own }) => own)
    const versions = published.map(
      (own) => (JSON.parse(read(`${own}/package.json`)) as { version: string }).version,
    )
    const texts = published.map((own) => read(`${own}/CHANGELOG.md`).replace(/^# .*\n/, ''))
    expect(new Set(versions).size).toBe(1)
    for (const text of texts) expect(text).not.toMatch(/Updated dependencies|workspace:/)
    const [{ manifest } = { manifest: { version: '' } }] = workspacePackages()
    const words = manifest.version === '0.0.0' ? 'The first release of attn' : '## '
    for (const text of texts) expect(text).toContain(words)
  })
})
