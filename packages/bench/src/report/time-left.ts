// How long a run will still take, by how long it took so far.

/**
 * Tells the time that is left, from the second call on.
 *
 * @param now - The clock, in milliseconds.
 */
export function createTimeLeft(
  now: () => number = () => performance.now(),
): (done: number, total: number) => string {
  let first: { readonly done: number; readonly time: number } | undefined
  return (done, total) => {
    // What was done before, by a run that is resumed, says nothing of the pace.
    first ??= { done, time: now() }
    const made = done - first.done
    if (made <= 0) return ''
    return `${formatSeconds((((total - done) / made) * (now() - first.time)) / 1000)} left`
  }
}

/** `45 s`, `3 min`, `1 h 20 min`. */
export function formatSeconds(seconds: number): string {
  const minutes = Math.round(seconds / 60)
  if (minutes < 2) return `${Math.max(1, Math.round(seconds))} s`
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
