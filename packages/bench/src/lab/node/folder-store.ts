// A store of files in a folder.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LabStore } from '../jobs/job.ts'

/** Keeps files in a folder, which is made when there is something to keep. */
export function folderStore(folder: string): LabStore {
  return {
    async read(name) {
      try {
        return await readFile(join(folder, name))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    async write(name, bytes) {
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, `${name}.partial`), bytes)
      await rename(join(folder, `${name}.partial`), join(folder, name))
    },
    remove: (name) => rm(join(folder, name), { force: true }),
  }
}
