// One line that says how far a run is and disappears when it is done. Only on terminals: in a log it
// would be noise.
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

/** A progress bar on a terminal; silent on anything else. */
export function createProgressBar(terminal: Terminal): ProgressBar {
  if (!terminal.isTTY) return { update: () => {}, clear: () => {} }
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
