// Which kernel a shader is, and which variant of it, read off its text: what it binds says the
// kernel, what it declares says the variant. So that a record of what was executed, and a list of
// what plans can ask for, speak of the same things without either being kept by hand.

/** The kernels, each with what its texts alone have; the first that fits counts. */
const kernels: readonly (readonly [name: string, ...marks: readonly string[]])[] = [
  ['quantize-rows', 'fn blockOf('],
  ['move-rows', 'var<storage, read> moves:'],
  ['rotate', 'var<storage, read> frequencies:'],
  ['backward-tables', 'var<storage, read_write> dTable:'],
  ['backward-sinks', 'var<storage, read_write> dSinks:'],
  ['backward-magnitudes', 'var<storage, read_write> magnitudes:'],
  ['measure-rows', 'var<storage, read_write> ranges:'],
  ['choose-powers', 'var<storage, read_write> powers:'],
  ['forward-halves', 'var<storage, read_write> queryHalves:'],
  ['halve-rows', 'Halves: array<vec4<f16>>;'],
  ['backward-matrix', 'subgroup_matrix_left<', 'var<workgroup> foundStrange:'],
  ['gradient-split', 'subgroup_matrix_left<', 'var<workgroup> visitedRows:'],
  ['sum-parts', 'let token = ', 'var sum = vec4<f32>();'],
  ['backward-key-value', 'var<storage, read_write> dKey:'],
  ['backward-query', 'var<storage, read_write> dQuery:'],
  ['backward-rows', 'var<storage, read_write> softmaxRows:'],
  ['narrow-rows', '// The output in float32.'],
  ['merge', 'var<storage, read> output0:'],
  ['fill-table', 'var<storage, read> source:', 'var<storage, read_write> table:'],
  ['merge-parts', 'var<storage, read> partLogSumExp:'],
  ['decode-merge', 'var<storage, read> partSoftmax:'],
  ['decode-matrix', 'subgroup_matrix_left<', 'var<storage, read> lengths:'],
  ['decode-integers', 'dot4I8Packed('],
  ['decode', 'var<storage, read> lengths:'],
  ['weights', 'var<storage, read_write> weights:'],
  ['forward-magnitudes', 'var<storage, read_write> measures:'],
  ['forward-choice', 'var<storage, read_write> chosen:'],
  ['forward-split', 'subgroup_matrix_left<', 'queryExponents: u32'],
  ['forward-matrix', 'subgroup_matrix_left<', 'var<storage, read_write> logSumExp:'],
  ['forward', 'var<storage, read_write> logSumExp:'],
]

/** Names of all kernels, which are those of the files `kernels/NAME.wgsl.ts` of webgpu-flash. */
export const kernelNames: readonly string[] = kernels.map(([name]) => name).toSorted()

const remembered = new Map<string, string | undefined>()

/**
 * The kernel's name and what sets the variant apart: how elements are held, matrices and what they
 * sum in, talk within subgroups, two teams of threads, orders of the tokens, parts of rows.
 * Undefined for shaders that are no kernels of webgpu-flash.
 */
export function kernelOf(text: string): string | undefined {
  if (!remembered.has(text)) remembered.set(text, describe(text))
  return remembered.get(text)
}

function describe(text: string): string | undefined {
  const kernel = kernels.find(([, ...marks]) => marks.every((mark) => text.includes(mark)))
  if (kernel === undefined) return undefined
  return [kernel[0], elements(text), matrices(text), ...mechanisms(text)].filter(Boolean).join(', ')
}

function elements(text: string): string {
  if (text.includes('fn widenPair(')) return 'bfloat16 in words'
  if (/^enable f16;/m.test(text)) return 'float16'
  // Without the feature, two halves are a word.
  return /unpack2x16float|pack2x16float/.test(text) ? 'float16 in words' : 'float32'
}

function matrices(text: string): string {
  const operands = /subgroup_matrix_left<(\w+)/.exec(text)?.[1]
  const sums = /subgroup_matrix_result<(\w+)/.exec(text)?.[1]
  return operands ? `matrices of ${operands} with sums of ${sums}` : ''
}

function mechanisms(text: string): string[] {
  return [
    /\bsubgroup(Shuffle|Add|Max|Broadcast)\w*\(/.test(text) ? 'shuffles' : '',
    /\blet team = /.test(text) ? 'two teams' : '',
    /\bfn queryToken\(/.test(text) ? 'token orders' : '',
    /\bfirstPart\b/.test(text) ? 'parts of rows' : '',
  ]
}
