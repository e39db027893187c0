// One line that says how far a run is and disappears when it is done. In a log, where nothing
// disappears, a line of its own now and then.
import type { Progress } from '../suites/outcome.ts'

/** What a progress bar writes to: `process.stderr`, or a stand-in. */
export interface Terminal {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

/** A line that is rewritten in place. */
export interface ProgressBar {
  readonly update: (progress: Progress) => void
  /** Removes the line. */
  readonly clear: () => void
}

const barWidth = 24
const eraseLine = '\r\u001b[2K'

/** In a log, a line after so many milliseconds without one; short runs leave none. */
const logMilliseconds = 10_000

/**
 * A progress bar on a terminal, else a line every ten seconds.
 *
 * @param now - The clock, in milliseconds.
 */
export function createProgressBar(
  terminal: Terminal,
  now: () => number = () => performance.now(),
): ProgressBar {
  if (!terminal.isTTY) {
    let last = now()
    return {
      update({ done, total, label }) {
        if (now() - last < logMilliseconds) return
        last = now()
        terminal.write(`${done}/${total} ${label}\n`)
      },
      clear: () => {},
    }
  }
  return {
    update({ done, total, label }) {
      const filled = Math.round((barWidth * done) / Math.max(total, 1))
      const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled)
      const text = `${bar} ${done}/${total} ${label}`
      terminal.write(eraseLine + text.slice(0, (terminal.columns ?? 80) - 1))
    },
    clear() {
      terminal.write(eraseLine)
    },
  }
}
