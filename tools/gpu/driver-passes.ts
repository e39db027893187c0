// One pass of LLVM for another in lavapipe's driver, so that its tests spend less on compiling. A kernel with barriers
// becomes a coroutine there, which LLVM splits into functions that begin, resume and destroy it. Told not to optimize
// (GALLIVM_PERF=nopt), the driver runs one pass after that, mem2reg, and compiles the function that destroys with
// all of the kernel in it, behind branches that are never taken. sccp takes unreachable code away.

/** `movabs $"mem2reg", %rax`: its eight letters with the 0 at their end, where no optimization is asked for. */
const before = Buffer.from('\x48\xb8mem2reg\0', 'latin1')
const after = Buffer.from('\x48\xb8sccp\0\0\0\0', 'latin1')

/** The driver with the other pass; as it is, where the one place to change is not found. */
export function withoutUnreachableCode(driver: Buffer): Buffer {
  const place = driver.indexOf(before)
  if (place < 0 || driver.indexOf(before, place + 1) >= 0) return driver
  const changed = Buffer.from(driver)
  after.copy(changed, place)
  return changed
}
