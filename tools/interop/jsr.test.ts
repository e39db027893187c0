// JSR, the registry of TypeScript sources, takes the packages as they are: Deno checks their types as it knows
// WebGPU, and that public types need no inference. A rehearsal, which asks no registry.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runProgram } from '../run-program.ts'
import { repository } from '../workspace.ts'
import { prepareWorkplace } from './workplace.ts'

test('the packages can be published on JSR', async () => {
  const deno = join(await prepareWorkplace(), 'node_modules/.bin/deno')
  const rehearsal = ['tools/publish-jsr.ts', deno, '--dry-run']
  expect(() => runProgram(process.execPath, rehearsal, repository)).not.toThrow()
})
