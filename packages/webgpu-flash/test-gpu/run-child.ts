// A process of its own for what would take the test's process along: texts that explode, crashes in native code.
import { acquireGpu } from '../../../tools/testing/acquire-gpu.ts'

/** Whether there are processes to start, and a GPU for them. */
export const canRunChild = (await acquireGpu()) !== undefined && !('document' in globalThis)

/** What a program prints in Node, on the sources. Throws where it does not end with exit status 0. */
export async function runChild(program: URL, flags: readonly string[] = []): Promise<string> {
  const [{ execFile }, { promisify }, { fileURLToPath }] = await Promise.all([
    import('node:child_process'),
    import('node:util'),
    import('node:url'),
  ])
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...flags, '--conditions=attn:source', fileURLToPath(program)],
    { timeout: 280_000 },
  )
  return stdout
}
