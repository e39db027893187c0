// Which test runs make up `npm test` on this machine: what runs on which adapter, and how much of it. Where GPUs are
// imitated by a CPU, each kernel takes about a second to compile, so that all cases on all adapters take ten
// minutes: `npm test` runs the whole, as CI does, and `npm test -- --quick` of it what fits into four minutes.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { nodeOn } from '../gpu/adapters.ts'
import type { AdapterName } from '../gpu/adapters.ts'
import { probeAdapter } from '../gpu/probe.ts'
import type { NodeOnDevice } from '../gpu/probe.ts'
import { repository } from '../workspace.ts'
import { besideTheCore, besideTheSample, dealt, gpuFiles } from './gpu-shares.ts'

/** One run of Vitest. */
export interface TestRun {
  readonly name: string
  /** A project of vitest.config.ts. */
  readonly project: string
  readonly node: string
  readonly environment: Readonly<Record<string, string>>
  readonly parameters: readonly string[]
}

/** The runs in the order in which they begin, and what this machine lacks. */
export interface TestPlan {
  readonly runs: readonly TestRun[]
  readonly adapters: readonly AdapterName[]
  /** Adapters that were looked for in vain, with the reason. */
  readonly missing: ReadonlyMap<AdapterName, string>
}

/** Where the kernels that a run dispatches are written down. */
export const kernelsFolder = join(repository, 'node_modules/.cache/attn/kernels')

const processors = availableParallelism()
const here: NodeOnDevice = { node: process.execPath, environment: {} }

/** How much of the suites a GPU run has, and on which kinds of device. */
interface Extent {
  readonly breadth: 'all' | 'core' | 'sample'
  readonly devices: 'offers' | 'defaults' | 'both'
  /** Files that are left out, as Vitest's patterns. */
  readonly without: readonly string[]
}

/** What a plan is made for. */
export interface TestRequest {
  readonly requireGpu: boolean
  readonly chromium: boolean
  /** Whether all is asked for that this machine can run, and not what is quick. */
  readonly whole: boolean
}

/** Random problems where not the whole is asked for: of one theme, which share their kernels. */
const fewProblems = '75'

/**
 * As a whole, with both software adapters, lavapipe runs everything on a device with all it offers (float16, subgroup
 * matrices, 1,024 threads): Mesa keeps what it compiled on disk, for other files and other runs.
 * SwiftShader, which compiles all anew, runs a core on a device with WebGPU's default limits, in which
 * every kernel is that it can run (tools/check-kernels.ts). Otherwise lavapipe runs that core, and SwiftShader a sample
 * of what it alone can show: default limits, float16 in words. A GPU runs everything on both kinds of device.
 */
export function planTests({ requireGpu, chromium, whole }: TestRequest): TestPlan {
  const missing = new Map<AdapterName, string>()
  const reach = (adapter: AdapterName): NodeOnDevice | undefined => {
    try {
      return nodeOn(adapter)
    } catch (error) {
      missing.set(adapter, (error as Error).message)
      return undefined
    }
  }
  const any = nodeOn('default')
  const found = probeAdapter(any)
  const software =
    found !== undefined && /swiftshader|llvmpipe/i.test(Object.values(found).join(' '))
  const lavapipe = reach('lavapipe')
  const swiftshader = software ? reach('swiftshader') : undefined
  const gpuRuns: TestRun[] = []
  const adapters: AdapterName[] = []
  const add = (adapter: AdapterName, start: NodeOnDevice | undefined, extent: Extent): void => {
    if (start === undefined) return
    adapters.push(adapter)
    gpuRuns.push(...gpuRunsOf(adapter, start, extent, whole))
  }
  const all = { breadth: 'all', without: [] } as const
  const core = { breadth: 'core', without: besideTheCore } as const
  if (!software) add('default', any, { ...all, devices: 'both' })
  add('lavapipe', lavapipe, {
    ...(whole ? all : core),
    devices: swiftshader ? 'offers' : 'both',
  })
  const alone = { ...(whole ? all : core), devices: requireGpu ? 'both' : 'offers' } as const
  const beside = whole ? core : ({ breadth: 'sample', without: besideTheSample } as const)
  add('swiftshader', swiftshader, lavapipe ? { ...beside, devices: 'defaults' } : alone)
  // Programs as users write them: the machine's GPU, or the software that compiles their kernels soonest.
  const programs = (software && lavapipe) || any
  const isShort = ({ environment }: TestRun): boolean => environment['ATTN_BREADTH'] === 'sample'
  // Those of adapters take longest where nothing is compiled yet, and each keeps one core busy. The tests without a GPU
  // come last, as many files at once as there are cores: they are short, so that no core is idle at the end.
  const runs = [
    ...gpuRuns.filter((each) => !isShort(each)),
    // What a browser's driver makes of gradients' kernels, most of its time, is of the whole alone.
    ...(chromium
      ? [run('browser', here, whole ? [] : ['--exclude', '**/test-gpu/backward.test.ts'])]
      : []),
    // About packages as they are packed, and other libraries beside them: what few changes touch.
    ...(whole
      ? [
          // Bun and Deno run them without Node, hence without what lavapipe's own C library needs.
          run('interop', withPrograms(any, software && lavapipe !== undefined)),
          run('packaging', programs),
        ]
      : []),
    ...gpuRuns.filter(isShort),
    run('examples', programs),
    run('unit', here, ['--maxWorkers', String(processors)]),
  ]
  return { runs, adapters, missing }
}

function run(project: string, start: NodeOnDevice, parameters: readonly string[] = []): TestRun {
  return { name: project, project, ...start, parameters }
}

/** Says that programs which a test starts in Node run on lavapipe. */
function withPrograms({ node, environment }: NodeOnDevice, onLavapipe: boolean): NodeOnDevice {
  return { node, environment: { ...environment, ATTN_PROGRAMS: onLavapipe ? 'lavapipe' : '' } }
}

/** The Node for programs which a test starts, and its variables: this process's own unless told otherwise. */
export function nodeForPrograms(): NodeOnDevice {
  return process.env['ATTN_PROGRAMS'] === 'lavapipe' ? nodeOn('lavapipe') : here
}

function gpuRunsOf(
  adapter: AdapterName,
  start: NodeOnDevice,
  { breadth, devices, without }: Extent,
  whole: boolean,
): TestRun[] {
  const kernels = join(kernelsFolder, `${adapter}.jsonl`)
  const environment = {
    ...start.environment,
    ATTN_BREADTH: breadth,
    ATTN_DEVICES: devices,
    ATTN_KERNELS: kernels,
    ...(whole ? {} : { ATTN_RANDOM: fewProblems }),
  }
  const gpuRun = (name: string, files: readonly string[]): TestRun => {
    return { name, project: 'gpu', node: start.node, environment, parameters: files }
  }
  const files = gpuFiles(without)
  // A run is one thread, whose device compiles in it: all of lavapipe's in one would end long after the others.
  return adapter === 'lavapipe'
    ? dealt(files, 2).map((share, index) => gpuRun(`gpu-lavapipe-${index + 1}`, share))
    : [gpuRun(`gpu-${adapter}`, files)]
}
