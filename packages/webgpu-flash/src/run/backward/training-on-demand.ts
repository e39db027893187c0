// What a library and its plans know of gradients before what they need is loaded.
import { typeError } from '@attn/core'
import type { OwnedPlanBackward } from './plan-backward.ts'
import type { Training } from './training-interface.ts'

/** Loads it; bundlers make a chunk of its own of it. */
export async function loadTraining(): Promise<Training> {
  const { training } = await import('./training.ts')
  return training
}

/**
 * What was loaded beforehand.
 *
 * @throws TypeError where nothing was.
 */
export function loadedTraining(caller: string, training: Training | undefined): Training {
  if (training) return training
  throw typeError(
    `${caller}: training: true needs a library made by createFlashAttention({ training: true }), which loads what gradients need before; flash.attentionBackward loads it by itself`,
    'ATTN_TRAINING',
  )
}

/** The backward half of a plan that was made without. */
export function withoutBackward(): OwnedPlanBackward {
  const refuse = (name: string) => (): never => {
    throw typeError(`plan.${name}: the plan must be made with training: true`, 'ATTN_TRAINING')
  }
  return {
    backward: refuse('backward'),
    encodeBackward: refuse('encodeBackward'),
    createGradients: refuse('createGradients'),
    backwardCode: [],
    kernels: () => [],
    destroy: () => {},
  }
}
