// Writes what a run of Vitest came to into the file named by ATTN_TEST_SUMMARY, for run-tests.ts
// to add up.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

export interface TestSummary {
  readonly passed: number
  /** Failed tests, and files that failed as a whole. */
  readonly failed: readonly string[]
  readonly skipped: readonly { readonly name: string; readonly note: string }[]
}

/** The reporter; it does nothing where ATTN_TEST_SUMMARY is not set. */
export function summaryReporter(): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const file = process.env['ATTN_TEST_SUMMARY']
      if (!file) return
      const summary = summarize(modules)
      const unhandled = unhandledErrors.map(({ message }) => `unhandled error: ${message}`)
      const failed = [...summary.failed, ...unhandled]
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, JSON.stringify({ ...summary, failed }, null, 2))
    },
  }
}

function summarize(modules: readonly TestModule[]): TestSummary {
  const tests = modules.flatMap((module) => Array.from(module.children.allTests()))
  const brokenModules = modules.filter(
    (module) => !module.ok() && !Array.from(module.children.allTests()).some((test) => !test.ok()),
  )
  return {
    passed: tests.filter((test) => test.result().state === 'passed').length,
    failed: [
      ...tests.filter((test) => test.result().state === 'failed').map(named),
      ...brokenModules.map((module) => `${module.project.name}: ${module.relativeModuleId}`),
    ],
    skipped: tests.flatMap((test) => {
      const result = test.result()
      if (result.state !== 'skipped') return []
      return { name: named(test), note: result.note ?? '' }
    }),
  }
}

function named({ project, module, fullName }: TestCase): string {
  return `${project.name}: ${module.relativeModuleId} > ${fullName}`
}
