// An attention bias that another computation left in a GPU buffer: it never travels to the CPU, and its
// gradient stays on the GPU as well.
import { biasElsewhere, checkOptions, UnsupportedError } from '@attn/core'
import type { BroadcastShape, OptionNames, Table, TableBias } from '@attn/core'
import { checkTensor } from './run/forward/forward-tensors.ts'
import { isDType } from './gpu-tensor.ts'
import type { GpuTensor } from './gpu-tensor.ts'

const tensors = new WeakMap<Table, GpuTensor>()

/** What a bias is besides its numbers. */
export interface GpuBiasOptions {
  /** Whether `plan.backward` returns its gradient, in `dTables.get(bias.table)`. Default: false. */
  readonly trainable?: boolean | undefined
  /** Letters and digits, for messages and `explain()`. Default: gpuBias. */
  readonly name?: string | undefined
}

const biasOptions: OptionNames<GpuBiasOptions> = { trainable: true, name: true }

/**
 * A score modifier that adds a tensor which already lies in a GPU buffer: a pair bias of AlphaFold's kind, a
 * mask of another library (-Infinity hides). The buffer is read anew by each call, so that what a network
 * writes there counts; `tables` of a call reads another one in its place, so that one plan serves all
 * layers. For plans alone: the CPU cannot read it.
 *
 * A plan keeps a float32 copy of its own, which each call fills (at the speed of a copy) before it looks
 * up: as much memory as the tensor has in float32. Gradients are float32, in the shape of the tensor, summed
 * over the axes that repeat.
 *
 * @param tensor - `[B, H, L, S]`, any dtype and strides, where any axis may be 1 to repeat. Rows are rows
 *   of the query tensor, whatever the query offset.
 * @throws TypeError for what is no tensor on the GPU, RangeError for a shape that is none. A plan of other
 *   sizes throws RangeError.
 *
 * @example
 * ```ts
 * import { biasFromGpuTensor, createFlashAttention } from '@attn/webgpu-flash'
 *
 * const flash = await createFlashAttention({ training: true })
 * const pairs = flash.empty([1, 4, 20, 20]) // what a network computed
 * const bias = biasFromGpuTensor(pairs, { trainable: true })
 * const plan = flash.plan({ heads: 4, queryLength: 20, headDim: 16, scoreModifiers: [bias], training: true })
 * const x = flash.empty([1, 4, 20, 16])
 * const forward = plan.forward({ query: x, key: x, value: x })
 * const { dTables } = plan.backward({ query: x, key: x, value: x, ...forward, dOutput: forward.output })
 * dTables.get(bias.table)?.shape // => [1, 4, 20, 20]
 * await flash.finished()
 * flash.destroy()
 * ```
 */
export function biasFromGpuTensor(tensor: GpuTensor, options: GpuBiasOptions = {}): TableBias {
  const caller = 'biasFromGpuTensor'
  checkOptions(caller, options, biasOptions)
  const { trainable = false, name = 'gpuBias' } = options
  checkSource(`${caller}: tensor`, tensor, tensor?.shape)
  const bias = biasElsewhere(
    name,
    tensor.shape as unknown as BroadcastShape,
    'a GPU buffer',
    trainable,
  )
  tensors.set(bias.table, tensor)
  return bias
}

/**
 * Where a table's numbers lie for a call.
 *
 * @param given - Tensors that the call names in place of others.
 * @throws RangeError or TypeError for one that does not fit, UnsupportedError for a table of another library.
 */
export function sourceOfTable(
  caller: string,
  table: Table,
  given: ReadonlyMap<Table, GpuTensor> | undefined,
): GpuTensor {
  const source = given?.get(table) ?? tensors.get(table)
  if (!source) {
    throw new UnsupportedError(
      `${caller}: ${table.name} lies in ${table.elsewhere}, which is no tensor that biasFromGpuTensor was given`,
    )
  }
  checkSource(`${caller}: ${table.name}`, source, table.shape)
  return source
}

function checkSource(what: string, source: GpuTensor, shape: readonly number[] | undefined): void {
  const dtype = isDType(source?.dtype) ? source.dtype : 'float32'
  checkTensor(what, source, shape ?? [], dtype)
}
