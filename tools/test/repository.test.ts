// What every package has in common.
import { existsSync, globSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { libraries } from '../interop/workplace.ts'
import { readRepositoryFile, repository, workspacePackages } from '../workspace.ts'

/** Where the repository is published. */
const address = 'https://github.com/attn-ts/attn'

test('runtimes that a README names are those that examples are run in', () => {
  const readme = readRepositoryFile('packages/webgpu-flash/README.md')
  const { devDependencies } = JSON.parse(readRepositoryFile('package.json')) as {
    readonly devDependencies: Readonly<Record<string, string>>
  }
  const minor = devDependencies['node']!.split('.').slice(0, 2).join('.')
  for (const cell of [`Node ${minor}`, `Deno ${libraries['deno']}`, `Bun ${libraries['bun']}`]) {
    expect(readme).toMatch(new RegExp(`^\\| .*\\| ${cell.replaceAll('.', '\\.')}[ ,]`, 'm'))
  }
})

test('the lockfile names no registry', () => {
  expect(readRepositoryFile('pnpm-lock.yaml')).not.toMatch(/https?:\/\//)
})

test('no text holds what a merge left undecided', () => {
  const places = [
    '*.md',
    '.changeset/*.md',
    'docs/*.md',
    'docs/{guide,errors,results}/*.md',
    'packages/*/*.md',
  ]
  const texts = globSync(places, { cwd: repository })
  expect(texts).toContain('.changeset/first-release.md')
  expect(texts.filter((file) => /^[<>]{7} /m.test(readRepositoryFile(file)))).toEqual([])
})

describe.each(workspacePackages())('$name', ({ name, folder }) => {
  const manifest: unknown = JSON.parse(readRepositoryFile(`${folder}/package.json`))

  test('its manifest is that of a publishable package', () => {
    expect(manifest).toMatchObject({
      name: `@attn/${folder.replace('packages/', '')}`,
      description: expect.stringMatching(/\.$/),
      keywords: expect.arrayContaining(['attention']),
      license: 'MIT',
      author: 'attn contributors',
      homepage: `${address}/tree/main/${folder}#readme`,
      bugs: { url: `${address}/issues` },
      repository: { type: 'git', url: `git+${address}.git`, directory: folder },
      // From 20.19 on `require` takes ES modules.
      engines: { node: '>=20.19' },
      type: 'module',
      sideEffects: false,
      files: expect.arrayContaining(['dist', 'src', 'CHANGELOG.md']),
      publishConfig: { access: 'public', provenance: true },
      exports: {
        '.': {
          'attn:source': './src/index.ts',
          types: './dist/index.d.ts',
          default: './dist/index.js',
        },
      },
      scripts: {
        build: 'node ../../tools/clean.ts && tsc -p tsconfig.build.json',
        check: 'tsc -p tsconfig.json',
        lint: 'oxlint --type-aware --deny-warnings .',
        prepack: 'node ../../tools/prepack.ts',
        test: `vitest run --root ../.. --project unit ${folder}/`,
      },
    })
  })

  test.each(['README.md', 'LICENSE', 'tsconfig.json', 'tsconfig.build.json', 'src/index.ts'])(
    'has %s',
    (file) => {
      expect(existsSync(join(repository, folder, file))).toBe(true)
    },
  )

  test('links and pictures of its README work in its tarball', () => {
    const { files } = manifest as { files: readonly string[] }
    const links = readRepositoryFile(`${folder}/README.md`).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)
    const broken = [...links].flatMap(([, link]) => {
      const tree = link!.startsWith(address) ? link!.slice(address.length) : undefined
      if (tree !== undefined) {
        const inside = tree.replace(/^\/(blob|tree)\/main/, '')
        return existsSync(join(repository, inside)) ? [] : [link]
      }
      if (/^https?:/.test(link!)) return []
      const shipped = files.some((name) => normalize(link!).startsWith(`${name}/`))
      return shipped && existsSync(join(repository, folder, link!)) ? [] : [link]
    })
    expect(broken).toEqual([])
  })

  test('its README is titled with its name and says how to install it', () => {
    const readme = readRepositoryFile(`${folder}/README.md`)
    expect(readme.startsWith(`# ${name}\n`)).toBe(true)
    expect(readme).toContain(`npm install ${name}`)
  })
})
