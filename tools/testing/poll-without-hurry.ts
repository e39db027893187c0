// While anything is awaited, Dawn in Node asks for news in every round of the event loop, which keeps a core busy
// that the drivers of software adapters compile on. Once this is loaded, with `node --import` too, a thousand times a
// second will do.

/** What stands in for `setImmediate`. */
export const later = (callback: (...values: unknown[]) => void, ...values: unknown[]): unknown =>
  setTimeout(callback, 1, ...values)

Object.assign(globalThis, { setImmediate: later })
