// What adapter a Node finds, asked of a process of its own.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A Node that finds a device, and what has to be in its environment. */
export interface NodeOnDevice {
  readonly node: string
  readonly environment: Readonly<Record<string, string>>
}

/** What an adapter says of itself. */
export interface FoundAdapter {
  readonly vendor: string
  readonly architecture: string
  readonly device: string
  readonly description: string
  readonly features: readonly string[]
}

const program = fileURLToPath(new URL('probe.mjs', import.meta.url))

/** The adapter, or undefined where WebGPU finds none. */
export function probeAdapter({ node, environment }: NodeOnDevice): FoundAdapter | undefined {
  const output = execFileSync(node, [program], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
    // Drivers warn of much that does not matter; what went wrong is in the error.
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return (JSON.parse(output) as FoundAdapter | null) ?? undefined
}
