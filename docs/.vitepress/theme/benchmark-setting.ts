// Where and with what the runs were made, each fact once where all runs agree on it.
import type { DeviceReport } from '../../../packages/bench/src/device/find-device.ts'
import type { Environment } from '../../../packages/bench/src/report/run-report.ts'

/** What a device says of itself, as far as it is shown. */
export type Device = Pick<DeviceReport, 'kind' | 'name' | 'description' | 'backend' | 'flags'>

/** A result file, as far as its setting goes. */
export interface Origin {
  readonly title: string
  readonly created: string
  readonly environment: Environment
  /** One for each set of flags. */
  readonly devices: readonly Device[]
}

export function describeDevice({ kind, name, description, backend, flags }: DeviceReport): Device {
  return { kind, name, description, backend, ...(flags && { flags }) }
}

export interface Fact {
  readonly name: string
  /** One value, or several with the runs they hold for. */
  readonly values: readonly { readonly value: string; readonly runs: readonly string[] }[]
}

/** To end a paragraph with; empty where there are no flags to set. */
export function flagsSentence({ flags }: DeviceReport): string {
  return flags ? ` Flags: ${flags.name}.` : ''
}

export function factsOf(runs: readonly Origin[]): Fact[] {
  const fact = (name: string, valueOf: (run: Origin) => string | undefined): Fact => {
    const found = new Map<string, string[]>()
    for (const run of runs) {
      const value = valueOf(run)
      if (value) found.set(value, [...(found.get(value) ?? []), run.title])
    }
    return { name, values: [...found].map(([value, titles]) => ({ value, runs: titles })) }
  }
  return [
    fact('Device', ({ devices: [first] }) => first?.name),
    fact('Driver', ({ devices: [first] }) => first?.description),
    fact('WebGPU', ({ devices: [first], environment: { webgpu } }) =>
      [first?.backend, webgpu && `npm package webgpu ${webgpu}`].filter(Boolean).join(', '),
    ),
    fact('Runtime', ({ environment }) => environment.runtime),
    fact('Platform', ({ environment }) => environment.platform),
    fact('Processor', ({ environment }) => environment.processor),
    fact('attn', ({ environment }) => environment.attn),
    fact('Commit', ({ environment: { commit, uncommittedChanges } }) =>
      commit && uncommittedChanges ? `${commit}, with uncommitted changes` : commit,
    ),
    fact('Measured', ({ created }) => `${created.slice(0, 16).replace('T', ' ')} UTC`),
  ].filter(({ values }) => values.length > 0)
}

/** Each set of flags once. */
export function flagsOf(runs: readonly Origin[]): readonly NonNullable<Device['flags']>[] {
  const all = runs.flatMap(({ devices }) => devices.flatMap(({ flags }) => (flags ? [flags] : [])))
  return [...new Map(all.map((flags) => [JSON.stringify(flags), flags])).values()]
}
