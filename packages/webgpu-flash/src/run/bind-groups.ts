// Bind groups kept from call to call: the layers of a step and the steps of a benchmark bind the same buffers
// again, and making a group takes the processor longer than anything else of a short call.

/** The group that a dispatch bound last. */
interface Bound {
  readonly buffers: readonly GPUBuffer[]
  readonly group: GPUBindGroup
}

/** Makes bind groups, unless the last one of a dispatch is of the same buffers. */
export interface BindGroups {
  /**
   * @param dispatch - Whose ranges decide all but the buffers.
   * @param resources - One for each binding.
   */
  get(
    dispatch: object,
    layout: GPUBindGroupLayout,
    resources: readonly GPUBufferBinding[],
  ): GPUBindGroup
}

/** Nothing is kept for longer than the dispatches are. */
export function createBindGroups(device: GPUDevice): BindGroups {
  const last = new WeakMap<object, Bound>()
  return {
    get: (dispatch, layout, resources) => {
      const buffers = resources.map(({ buffer }) => buffer)
      const known = last.get(dispatch)
      if (known && known.buffers.every((buffer, index) => buffer === buffers[index])) {
        return known.group
      }
      const entries = resources.map((resource, binding) => ({ binding, resource }))
      const group = device.createBindGroup({ layout, entries })
      last.set(dispatch, { buffers, group })
      return group
    },
  }
}
