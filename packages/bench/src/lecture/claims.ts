// The 26 claims of "Efficient Attention" (D. M. Nemeskey, Natural Language Processing, lecture 18, Eötvös
// University, 2023) that something can be run for, in its order.
import type { Claim } from './claim.ts'

const sparse = 'Child et al. 2019, arXiv 1904.10509'
const alibi = 'Press et al. 2022, arXiv 2108.12409'
const interpolation = 'Chen et al. 2023, arXiv 2306.15595'
const flash = 'Dao et al. 2022, arXiv 2205.14135'

const listed: readonly (readonly [string, string, string, string])[] = [
  [
    'Sparse attention: sparsity in dense layers',
    'Dense layers of a trained image model attend locally, by rows and columns, or wherever the data says.',
    sparse,
    'attn patterns --data images --profiles FOLDER',
  ],
  [
    'Factorized self-attention',
    'An attention layer is a connectivity pattern; factorized attention has p heads, each a subset of the dense one.',
    sparse,
    'attn lecture --only 2',
  ],
  [
    'Factorization patterns',
    'A factorization is valid if its heads, one after the other, connect every output with every earlier input.',
    sparse,
    'strided(8).reach(64)',
  ],
  [
    'Factorization patterns',
    'Strided attention sees the last l and every l-th key; fixed attention its own block and summaries of the others.',
    sparse,
    'matrixSvg(strided(8).merged(), 64)',
  ],
  [
    'Factorized self-attention',
    'With sets of n^(1/p) keys a head costs O(n · n^(1/p)).',
    sparse,
    'complexityExponent of @attn/masks',
  ],
  [
    'Architecture',
    'The p heads can be used one a layer, merged into one, or side by side as heads.',
    sparse,
    'interleaved, merged and multiHead of a factorization',
  ],
  [
    'Factorization patterns',
    'Fixed attention is better for text, strided for images.',
    sparse,
    'attn patterns --data text; attn patterns --data images',
  ],
  [
    'Architecture',
    'Contexts of 12,160 tokens of text and of 2^20 of music become possible.',
    sparse,
    'attn sparse --lengths 12160,1048576 --patterns strided --stride 1024',
  ],
  [
    'Other variants; Big Bird',
    'Global, random and window attention; Big Bird combines them, at a cost that grows linearly.',
    'Zaheer et al. 2020, arXiv 2007.14062',
    'matrixSvg(bigBird({ length }), length)',
  ],
  [
    'Extrapolation for longer sequences',
    'Decoders read past the length they were trained at, but badly, and how badly depends on the position method.',
    alibi,
    'attn extrapolate',
  ],
  [
    'Position methods',
    'Sinusoidal positions reach 5-10 % further, RoPE 10-40 %, the T5 bias 80-120 %.',
    alibi,
    'attn extrapolate',
  ],
  [
    'Position methods',
    'RoPE is much slower than sinusoidal positions, and the T5 bias very slow.',
    alibi,
    'attn positions --backward',
  ],
  [
    'ALiBi',
    'ALiBi adds a bias that falls with the distance; the slopes of 8 heads are 1/2, 1/4, .. 1/256.',
    alibi,
    'plotBias(alibi({ heads: 8 }))',
  ],
  [
    'ALiBi',
    'ALiBi reaches 2-10 times the training length, and is often best at twice.',
    alibi,
    'attn extrapolate',
  ],
  [
    'Analysis of RoPE',
    'Outside the training length the score of RoPE becomes arbitrarily large.',
    interpolation,
    'plotExtrapolation of @attn/positions',
  ],
  [
    'Analysis of RoPE',
    'Trigonometric functions are a universal approximator, so the score could be any function.',
    interpolation,
    'extrapolationExperiment().run(1e-9)',
  ],
  [
    'Position Interpolation',
    "Dividing positions by L' / L keeps them, and the scores, within what was trained.",
    interpolation,
    "ropeFrequencies({ type: 'linear', factor })",
  ],
  [
    'Position Interpolation: results',
    'After 1,000 steps of fine-tuning 2k becomes 32k, and costs at most 2 % within L.',
    interpolation,
    'attn extrapolate --preset full',
  ],
  [
    'Position Interpolation: results',
    '2-4 times the length may be possible without fine-tuning.',
    'NTK-aware scaling (bloc97, 2023); YaRN, arXiv 2309.00071',
    'attn extrapolate --preset full',
  ],
  [
    'Flash attention: GPU hierarchy',
    'Memory is slow beside computation and on-chip memory; softmax and the like are bound by it.',
    flash,
    'attn device',
  ],
  ['FlashAttention', 'Memory accesses fall from Θ(N d + N²) to Θ(N² d² / M).', flash, 'attn io'],
  [
    'FlashAttention cont.',
    'FlashAttention is 15 % (BERT) to 3 times (GPT-2) faster than standard attention.',
    flash,
    'attn run --backward',
  ],
  ['FlashAttention cont.', 'Memory grows linearly with N.', flash, 'attn run --backward'],
  [
    'Sparse FlashAttention',
    'Block-sparse FlashAttention is 2-4 times faster still, with contexts of 64k.',
    flash,
    'attn sparse --lengths 64k',
  ],
  [
    'FlashAttention',
    'S and P are never written down but computed again for the backward pass, in one kernel.',
    flash,
    'attn run --backward',
  ],
  [
    'FlashAttention2',
    'FlashAttention-2 is twice as fast by a better partition of the work.',
    'Dao 2023, arXiv 2307.08691',
    'attn partition',
  ],
]

/** All claims. */
export const claims: readonly Claim[] = listed.map(([slide, claim, source, command], index) => ({
  number: index + 1,
  slide,
  claim,
  source,
  command,
}))
