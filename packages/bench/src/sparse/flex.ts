// PyTorch's FlexAttention beside ours, in the same run: a Python program that prints a line for every
// mask it has timed. It runs when our device is given back, so that neither slows the other down.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { formatLength, threeDigits } from '../report/format.ts'
import { baselineAt, parametersAt, patternsAt } from './patterns.ts'
import type { PatternName, PatternOptions } from './patterns.ts'
import type { FlexReport, FlexTime, SparseReport } from './report.ts'

/** How to run it. */
export interface FlexOptions extends PatternOptions {
  /** After which it is ended; what it has found by then stays. */
  readonly seconds: number
  readonly rounds: number
  /** Program and arguments before its own. Default: `$ATTN_PYTHON` or `python3`, and the script. */
  readonly command?: readonly [string, ...string[]]
  /** Told whenever there is more, with everything so far. */
  readonly onReport?: (report: FlexReport) => void
}

type Line =
  | { readonly missing: string }
  | { readonly version: string; readonly device: string }
  | { readonly length: number; readonly name: string; readonly error: string }
  | FlexTime

/** Measures the masks of a report, causal attention first. A Python without CUDA is a note. */
export async function measureFlex(
  { problem, results }: SparseReport,
  { seconds, rounds, command = pythonCommand(), onReport, ...parameters }: FlexOptions,
): Promise<FlexReport> {
  let report: FlexReport = { version: '', device: '', times: [], notes: [] }
  const update = (change: Partial<FlexReport>): void => {
    report = { ...report, ...change }
    onReport?.(report)
  }
  const note = (text: string): void => update({ notes: [...report.notes, text] })
  if (results.length === 0) return report
  const problems = results.map(({ length, causal, results: patterns }) => ({
    length,
    ...parametersAt(length, parameters),
    names: [
      // What took ours too long takes FlexAttention longer.
      ...(causal.extrapolatedFrom === undefined ? ['causal'] : []),
      ...patterns.map(({ name }) => name),
    ],
  }))
  const { heads, headDim, dtype } = problem
  const request = JSON.stringify({ heads, headDim, dtype, seconds, rounds, problems })
  const [program, ...before] = command
  const child = spawn(program, [...before, request], { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-2000)
  })
  const timer = setTimeout(() => {
    note(`ended after ${threeDigits(seconds)} s`)
    child.kill('SIGKILL')
  }, seconds * 1000)
  const ended = new Promise<string | undefined>((resolve) => {
    child.on('error', ({ message }) => resolve(message))
    child.on('close', (code, signal) => {
      const last = complaints.trim().split('\n').at(-1)
      resolve(
        code === 0 || signal === 'SIGKILL' ? undefined : `ended with ${signal ?? code}: ${last}`,
      )
    })
  })
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = parse(text)
    if (!line) return
    if ('missing' in line) note(line.missing)
    else if ('version' in line) update({ version: line.version, device: line.device })
    else if ('error' in line) note(`${line.name} at ${formatLength(line.length)}: ${line.error}`)
    else {
      update({ times: [...report.times, line] })
      const pairs = pairsOf(line.name, line.length, parameters)
      // Its BigBird draws other blocks, and of those at the edges other numbers.
      if (line.name !== 'bigBird' && line.pairs !== pairs) {
        note(
          `${line.name} at ${formatLength(line.length)}: sees ${line.pairs} pairs, ours ${pairs}`,
        )
      }
    }
  })
  const failure = await ended
  clearTimeout(timer)
  if (failure !== undefined) note(failure)
  return report
}

function pairsOf(name: FlexTime['name'], length: number, options: PatternOptions): number {
  if (name === 'causal') return baselineAt(length).pairs
  const names: readonly PatternName[] = [name]
  return patternsAt(length, { ...options, names })[0]!.pairs
}

function parse(text: string): Line | undefined {
  try {
    const value = JSON.parse(text) as Line | null
    return typeof value === 'object' && value ? value : undefined
  } catch {
    // Libraries print what they like.
    return undefined
  }
}

function pythonCommand(): [string, ...string[]] {
  // The sources are part of the package; so from the compiled files it is the same way.
  const script = new URL('../../src/peers/flex-attention.py', import.meta.url)
  return [process.env['ATTN_PYTHON'] ?? 'python3', '-u', fileURLToPath(script)]
}
