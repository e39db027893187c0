// What every package has in common.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readRepositoryFile, repository, workspacePackages } from '../workspace.ts'

test('the lockfile names no registry', () => {
  expect(readRepositoryFile('pnpm-lock.yaml')).not.toMatch(/https?:\/\//)
})

describe.each(workspacePackages())('$name', ({ name, folder }) => {
  const manifest: unknown = JSON.parse(readRepositoryFile(`${folder}/package.json`))

  test('its manifest is that of a publishable package', () => {
    expect(manifest).toMatchObject({
      name: `@attn/${folder.replace('packages/', '')}`,
      description: expect.stringMatching(/\.$/),
      keywords: expect.arrayContaining(['attention']),
      license: 'MIT',
      type: 'module',
      sideEffects: false,
      files: ['dist', 'src', 'CHANGELOG.md'],
      publishConfig: { access: 'public' },
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

  test('its README is titled with its name and says how to install it', () => {
    const readme = readRepositoryFile(`${folder}/README.md`)
    expect(readme.startsWith(`# ${name}\n`)).toBe(true)
    expect(readme).toContain(`npm install ${name}`)
  })
})
