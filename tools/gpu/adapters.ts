// The adapters that tests and measurements run on, by name, and how a Node is started that finds
// the one wanted: drivers and libraries have to be known before a process starts.
import { prepareLavapipe } from './lavapipe.ts'
import type { NodeOnDevice } from './probe.ts'
import { swiftShaderAlone, swiftShaderBesides } from './swiftshader.ts'

/**
 * `default`: the machine's GPU, or SwiftShader where there is none. `gpu`: the machine's GPU and
 * nothing else. The others are software, and hide a GPU that is there.
 */
export const adapterNames = ['default', 'gpu', 'swiftshader', 'lavapipe'] as const
export type AdapterName = (typeof adapterNames)[number]

/**
 * The Node to start, and its variables, for an adapter.
 *
 * @throws Error with the reason where this machine cannot have it.
 */
export function nodeOn(adapter: AdapterName): NodeOnDevice {
  const { node, environment } = launchers[adapter]()
  // Tests compare it with the adapter they find.
  return { node, environment: { ...environment, ATTN_ADAPTER: adapter } }
}

const launchers: Readonly<Record<AdapterName, () => NodeOnDevice>> = {
  default: () => ({ node: process.execPath, environment: swiftShaderBesides() }),
  gpu: () => ({ node: process.execPath, environment: {} }),
  swiftshader: () => ({ node: process.execPath, environment: swiftShaderAlone() }),
  // Kernels are compiled once here and run briefly: without those passes of LLVM that take longer than what they save;
  // see driver-passes.ts too.
  lavapipe: () => {
    const { node, environment } = prepareLavapipe()
    return {
      node,
      environment: { GALLIVM_PERF: process.env['GALLIVM_PERF'] || 'nopt', ...environment },
    }
  },
}

/**
 * Takes `--adapter NAME` (or `--adapter=NAME`) out of a command line. Where it is missing,
 * ATTN_ADAPTER decides.
 *
 * @throws RangeError for a name that is not one.
 */
export function takeAdapter(
  parameters: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): { readonly adapter: AdapterName; readonly others: readonly string[] } {
  const others: string[] = []
  let name = environment['ATTN_ADAPTER'] || 'default'
  for (let at = 0; at < parameters.length; at++) {
    const each = parameters[at]!
    if (each === '--adapter') name = parameters[++at] ?? ''
    else if (each.startsWith('--adapter=')) name = each.slice('--adapter='.length)
    else others.push(each)
  }
  const adapter = adapterNames.find((known) => known === name)
  if (adapter === undefined) {
    throw new RangeError(`--adapter must be one of ${adapterNames.join(', ')}, got '${name}'`)
  }
  return { adapter, others }
}
