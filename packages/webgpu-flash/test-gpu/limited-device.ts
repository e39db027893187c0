// A device that says it can do less than it can, since WebGPU grants no limits below the defaults,
// and that counts what is asked of it.

/** A device with some limits replaced. */
export interface LimitedDevice {
  readonly device: GPUDevice
  /** How often a method was asked for so far. */
  count(method: keyof GPUDevice): number
}

/** Lowers limits of a device, to those that `limits` holds when they are read. */
export function limitDevice(
  device: GPUDevice,
  limits: Readonly<Record<string, number>> = {},
): LimitedDevice {
  const counts = new Map<string | symbol, number>()
  const lowered = new Proxy(device.limits, {
    get: (target, name) => limits[name as string] ?? Reflect.get(target, name, target),
  })
  const limited = new Proxy(device, {
    get: (target, name) => {
      if (name === 'limits') return lowered
      counts.set(name, (counts.get(name) ?? 0) + 1)
      const value: unknown = Reflect.get(target, name, target)
      // Methods of the browser's objects work on those objects only.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return { device: limited, count: (method) => counts.get(method) ?? 0 }
}
