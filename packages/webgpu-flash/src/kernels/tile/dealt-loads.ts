// Loads of several tensors at once, dealt out over all threads of a workgroup: every thread carries
// the same few registers, whatever the tensors' sizes. Chunks alternate between two buffers, so that
// one barrier a chunk is enough.
import { indent, unroll } from '../../codegen/snippets.ts'
import { loadText, transposedStride } from './source.ts'
import type { TileRole, TileSource } from './source.ts'

/** A load in two halves, as StagedLoad, into one of two buffers. */
export interface DealtLoad {
  /** Declares the registers. */
  readonly declarations: string
  /** Fills the registers with the chunk that begins at `from`. */
  fetch(from: string): string
  /** Writes the registers to the buffer that begins `buffer` vectors further on. */
  store(buffer: string): string
}

/** What is read of one tensor: so many units of work, each some vectors. */
interface Hand {
  readonly units: number
  fetch(register: (k: number) => string, unit: string, from: string): string
  store(register: (k: number) => string, unit: string, buffer: string): string
}

/** Deals the units of all hands out to the threads, one after the other. */
function deal(name: string, threads: number, vectors: number, hands: readonly Hand[]): DealtLoad {
  const total = hands.reduce((sum, { units }) => sum + units, 0)
  const slots = Math.ceil(total / threads)
  const register = (slot: number) => (k: number) => `${name}${slot}_${k}`
  const each = (line: (hand: Hand, unit: string, slot: number) => string): string =>
    unroll(slots, (slot) => {
      let start = 0
      const pieces: { text: string; end: number }[] = []
      for (const hand of hands) {
        const shift = slot * threads - start
        const end = Math.min(hand.units - shift, threads)
        start += hand.units
        if (end <= 0 || -shift >= threads) continue
        const unit =
          shift === 0 ? 'thread' : shift > 0 ? `(thread + ${shift}u)` : `(thread - ${-shift}u)`
        pieces.push({ text: line(hand, unit, slot), end })
      }
      return pieces
        .map(({ text, end }, index) => {
          const last = index === pieces.length - 1
          if (last && end === threads) return index === 0 ? text : `{\n${indent(text, 2)}\n}`
          return `if (thread < ${end}u) {\n${indent(text, 2)}\n}`
        })
        .join(' else ')
    })
  return {
    declarations: unroll(slots, (slot) =>
      unroll(vectors, (k) => `var ${register(slot)(k)} = vec4<f32>(0.0);`),
    ),
    fetch: (from) => each((hand, unit, slot) => hand.fetch(register(slot), unit, from)),
    store: (buffer) => each((hand, unit, slot) => hand.store(register(slot), unit, buffer)),
  }
}

/** A tensor whose tile is to lie transposed. */
export interface TransposedOperand {
  readonly source: TileSource
  readonly role: TileRole
  /** Tokens of the tile. */
  readonly tokens: number
  /** First vector of its place in a buffer. */
  readonly place: number
}

/**
 * Loads `dims` (a power of two, at least 8) of each operand transposed, as `stageTransposed` does for
 * one. `from` counts vectors of dims.
 */
export function dealTransposed(
  threads: number,
  operands: readonly TransposedOperand[],
  dims: number,
): DealtLoad {
  const pairs = dims / 8
  const vector = (unit: string): string =>
    `((${unit} >> 1u) % 4u + (${unit} >> ${3 + Math.log2(pairs)}u) * 4u)`
  const dimVector = (unit: string): string =>
    pairs === 1 ? `(${unit} % 2u)` : `(${unit} % 2u + ((${unit} >> 3u) % ${pairs}u) * 2u)`
  const hands = operands.map(({ source, role, tokens, place }): Hand => {
    const stride = transposedStride(tokens)
    const widthVectors = Math.ceil(source.dims / 4)
    const token = (unit: string, k: number): string =>
      role === 'rows' ? `4u * ${vector(unit)} + ${k}u` : `${vector(unit)} + ${(k * tokens) / 4}u`
    return {
      units: (tokens / 4) * (dims / 4),
      fetch: (register, unit, from) => {
        const loads = unroll(
          4,
          (k) =>
            `${register(k)} = ${loadText(source, token(unit, k), `${from} + ${dimVector(unit)}`)};`,
        )
        if (source.dims % dims === 0) return loads
        return `if (${from} + ${dimVector(unit)} < ${widthVectors}u) {\n${indent(loads, 2)}\n} else {\n${unroll(4, (k) => `  ${register(k)} = vec4<f32>(0.0);`)}\n}`
      },
      store: (register, unit, buffer) =>
        unroll(4, (d) => {
          const four = [0, 1, 2, 3].map((k) => `${register(k)}[${d}]`).join(', ')
          return `tile[${buffer} + ${place + d * stride}u + ${dimVector(unit)} * ${4 * stride}u + ${vector(unit)}] = vec4<f32>(${four});`
        }),
    }
  })
  return deal('operand', threads, 4, hands)
}

/** A tensor whose rows are to lie as they are. */
export interface RowOperand {
  readonly source: TileSource
  /** First vector of its place in a buffer. */
  readonly place: number
}

/** Loads `count` tokens of each operand: `[token][dim vector]`. `from` counts tokens. */
export function dealRows(
  threads: number,
  operands: readonly RowOperand[],
  count: number,
  stride: number,
): DealtLoad {
  const hands = operands.map(({ source, place }): Hand => {
    const vectors = Math.ceil(source.dims / 4)
    return {
      units: count * stride,
      fetch: (register, unit, from) => {
        const load = loadText(source, `${from} + ${unit} / ${stride}u`, `${unit} % ${stride}u`)
        const line = `${register(0)} = ${load};`
        // Vectors past the width fill up whole columns of threads; a register may hold something else.
        return vectors === stride
          ? line
          : `${register(0)} = vec4<f32>(0.0);\nif (${unit} % ${stride}u < ${vectors}u) { ${line} }`
      },
      store: (register, unit, buffer) => `tile[${buffer} + ${place}u + ${unit}] = ${register(0)};`,
    }
  })
  return deal('sourceRow', threads, 1, hands)
}

/** Declares the registers and fetches the first chunk. */
export function beginDealt(load: DealtLoad, from: string): string {
  return `${load.declarations}\n${load.fetch(from)}`
}

/**
 * Walks through the chunks, once the first of them has been stored: `compute` works on each while the
 * registers take in the next.
 *
 * @param size - Vectors of a buffer.
 * @param from - Text of where chunk number `chunk` begins.
 * @param onward - Whether the last chunk is followed by one more, to be left in the registers.
 */
export function alternating(
  load: DealtLoad,
  chunks: number,
  size: number,
  from: (chunk: string) => string,
  compute: (buffer: string, chunk: string) => string,
  onward = false,
): string {
  if (chunks === 1) {
    return `workgroupBarrier();\n${onward ? `${load.fetch(from('1u'))}\n` : ''}${compute('0u', '0u')}`
  }
  const next = load.fetch(from('(chunk + 1u)'))
  return `for (var chunk = 0u; chunk < ${chunks}u; chunk++) {
  workgroupBarrier();
${indent(onward ? next : `if (chunk < ${chunks - 1}u) {\n${indent(next, 2)}\n}`, 2)}
${indent(compute(`(chunk % 2u) * ${size}u`, 'chunk'), 2)}
  if (chunk < ${chunks - 1}u) {
${indent(load.store(`((chunk + 1u) % 2u) * ${size}u`), 4)}
  }
}`
}
