// A program that runs one problem again, to be saved in the repository and run.
import type { Problem } from './problem.ts'

/**
 * The text of the program.
 *
 * @param wrong - What is wrong, in sentences.
 */
export function reproduction(problem: Problem, wrong: readonly string[]): string {
  const data = JSON.stringify(problem, undefined, 2).replaceAll(/"(\w+)":/g, '$1:')
  return `// Save as reproduce.ts in the repository and run it on the adapter it failed on, for example
//   node tools/with-gpu.ts node --conditions=attn:source reproduce.ts
${wrong.map((sentence) => `// ${sentence}`).join('\n')}
import { create, globals } from 'webgpu'
import { createFlashAttention } from '@attn/webgpu-flash'
import { runProblem } from './tools/random/run-problem.ts'
import type { Problem } from './tools/random/problem.ts'

Object.assign(globalThis, globals)
const gpu = create(['enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia'])
const problem: Problem = ${data}
const flash = await createFlashAttention({ gpu, training: true })
console.log(await runProblem(flash, problem))
flash.destroy()
`
}
