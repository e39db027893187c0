// The options of commands that compute one shape over several lengths, declared and read once.
import type { DType } from '@attn/core'
import { Option } from 'commander'
import type { Command } from 'commander'
import { parseLength, parseLengths } from './arguments.ts'

/** What was said about the shape; nothing for what was not. */
export interface ShapeArguments {
  readonly lengths?: readonly number[]
  readonly batch?: number
  readonly heads?: number
  readonly headDim?: number
  readonly dtype?: DType
  readonly samples?: number
}

/** Adds `--lengths`, `--batch`, `--heads`, `--head-dim`, `--dtype` and `--samples`. */
export function addShapeOptions(command: Command): Command {
  return command
    .option('--lengths <list>', 'sequence lengths, such as 1k,2k,4096', parseLengths)
    .option('--batch <count>', 'sequences (default: 1)', parseLength)
    .option('--heads <count>', 'heads (default: 16 on a GPU, else 2)', parseLength)
    .option('--head-dim <size>', 'dims of a head, a multiple of 4 (default: 64)', parseLength)
    .addOption(new Option('--dtype <type>', 'element type').choices(['float32', 'float16']))
    .option('--samples <count>', 'timings per figure (default: 10, 5 without a GPU)', parseLength)
}

/** The part of a problem that was said, to be laid over what suits the device. */
export function shapeOf({
  lengths,
  batch,
  heads,
  headDim,
  dtype,
}: ShapeArguments): Omit<ShapeArguments, 'samples'> {
  return {
    ...(lengths ? { lengths } : {}),
    ...(batch ? { batch } : {}),
    ...(heads ? { heads } : {}),
    ...(headDim ? { headDim } : {}),
    ...(dtype ? { dtype } : {}),
  }
}

/** How often to measure, where that was said. */
export function samplingOf({ samples }: ShapeArguments): {
  readonly measure?: { readonly samples: number }
} {
  return samples === undefined ? {} : { measure: { samples } }
}
