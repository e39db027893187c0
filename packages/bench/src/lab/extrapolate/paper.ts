// Tables of the papers as data, to stand beside ours.

/** A table of perplexities. */
export interface PaperTable {
  readonly title: string
  readonly source: string
  /** Of the first column of rows, then of the others. */
  readonly columns: readonly string[]
  /** A label and a number for each other column; null where there is none. */
  readonly rows: readonly (readonly [label: string, ...values: (number | null)[]])[]
}

/** ALiBi (arXiv 2108.12409), Table 2: 16 layers, d = 1024, WikiText-103, trained at L = 512. */
export const alibiTable: PaperTable = {
  title: 'WikiText-103, trained at L = 512',
  source: 'ALiBi, arXiv 2108.12409, table 2',
  columns: ['length', 'sinusoidal', 'RoPE', 'T5 bias', 'ALiBi'],
  rows: [
    ['512', 20.05, 20.07, 19.65, 19.73],
    ['532', 19.91, 19.98, 19.53, 19.61],
    ['562', 19.91, 19.87, 19.39, 19.49],
    ['612', 20.59, 19.81, 19.27, 19.38],
    ['712', 24.86, 19.79, 19.1, 19.14],
    ['812', 30.82, 20.17, 18.94, 18.99],
    ['1012', 43.54, 21.37, 18.79, 18.73],
    ['1112', 50.36, 22.01, 18.77, 18.68],
    ['1512', 76.23, 25.99, 18.91, 18.52],
    ['2512', 132.41, 31.58, 20.41, 18.41],
    ['3512', 178.97, 35.54, 22.91, 18.4],
    ['5512', 240.44, 43.14, 29.54, 18.36],
    ['8512', 305.65, 54.98, 43.08, 18.34],
    ['12512', 373.17, 69.7, 64.94, 18.31],
    ['15512', 406.01, 79.25, null, 18.31],
  ],
}

/** Position Interpolation (arXiv 2306.15595), Table 1: PG-19, Llama 7B. */
export const interpolationTable: PaperTable = {
  title: 'PG-19, Llama 7B trained at 2k; FT without, PI with interpolation',
  source: 'Position Interpolation, arXiv 2306.15595, table 1',
  columns: ['extended to', '2k', '4k', '8k', '16k', '32k'],
  rows: [
    ['FT 8k', 7.21, 7.34, 7.69, null, null],
    ['PI 8k', 7.13, 6.96, 6.95, null, null],
    ['PI 16k', 7.11, 6.93, 6.82, 6.83, null],
    ['PI 32k', 7.23, 7.04, 6.91, 6.8, 6.77],
  ],
}

/** Position Interpolation (arXiv 2306.15595), Table 3: perplexity by fine-tuning steps. */
export const fineTuningTable: PaperTable = {
  title: 'PG-19, Llama 7B with interpolation, by steps of fine-tuning',
  source: 'Position Interpolation, arXiv 2306.15595, table 3',
  columns: ['extended to', '0', '200', '400', '600', '800', '1000'],
  rows: [
    ['8192', 16.1, 7.12, 7.1, 7.02, 6.99, 6.95],
    ['16384', 112.13, 7.05, 6.93, 6.88, 6.84, 6.83],
  ],
}
