// One run from the settings to what the page shows, on the GPU where there is one and else on the CPU.
import { shallowReactive } from 'vue'
import { findGpu, messageOf } from '@attn/components/gpu'
import { runOnGpu, type Comparison, type Computed } from './gpu-run.ts'
import { checkInWorker, cpuRunInWorker, inputsInWorker } from './in-worker.ts'
import type { Check } from './check.ts'
import { shapeOf, type Settings } from '../settings/settings.ts'

/** Multiplications and additions that the CPU fallback takes on: some seconds. */
export const cpuBudget = 5e8

export interface RunState {
  /** What is going on; undefined when nothing is. */
  step: string | undefined
  error: string | undefined
  /** The settings of the results below. */
  settings: Settings | undefined
  computed: Computed | undefined
  measured: Comparison | undefined
  cpuMilliseconds: number | undefined
  check: Check | undefined
}

export function createRunState(): RunState {
  return shallowReactive<RunState>({
    step: undefined,
    error: undefined,
    settings: undefined,
    computed: undefined,
    measured: undefined,
    cpuMilliseconds: undefined,
    check: undefined,
  })
}

/** Runs; what comes out, errors too, is in the state. */
export async function run(state: RunState, settings: Settings): Promise<void> {
  if (state.step !== undefined) return
  Object.assign(state, {
    step: 'Looking for a GPU',
    error: undefined,
    settings,
    computed: undefined,
    measured: undefined,
    cpuMilliseconds: undefined,
    check: undefined,
  })
  try {
    if (await findGpu()) await onGpu(state, settings)
    else await onCpu(state, settings)
  } catch (error) {
    state.error = messageOf(error)
  } finally {
    state.step = undefined
  }
}

async function onGpu(state: RunState, settings: Settings): Promise<void> {
  state.step = 'Making random inputs'
  const inputs = await inputsInWorker(settings)
  state.measured = await runOnGpu(settings, inputs, {
    step: (name) => (state.step = name),
    computed: async (computed) => {
      state.computed = computed
      state.step = 'Checking against the reference'
      state.check = await checkInWorker(settings, computed.output)
    },
  })
}

async function onCpu(state: RunState, settings: Settings): Promise<void> {
  const { batch, heads, queryLength, keyLength, headDim, valueDim } = shapeOf(settings)
  const work = batch * heads * queryLength * keyLength * (headDim + valueDim)
  if (work > cpuBudget) {
    throw new RangeError(
      `On the CPU this page stops at ${cpuBudget.toLocaleString('en')} multiplications; these sizes need ${work.toLocaleString('en')}. Choose a shorter length or fewer heads.`,
    )
  }
  state.step = 'Computing on the CPU'
  const { milliseconds, check } = await cpuRunInWorker(settings)
  state.cpuMilliseconds = milliseconds
  state.check = check
}
