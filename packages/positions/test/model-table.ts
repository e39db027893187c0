// The table of the guide "Model files", from the table that the code reads.
import { rotaryModels } from '../src/rope/hugging-face/models.ts'
import type { ModelRope } from '../src/rope/hugging-face/models.ts'

/** Folder of transformers, where it is not the model_type. */
const folders: Readonly<Record<string, string>> = {
  gemma3_text: 'gemma3',
  gemma3n_text: 'gemma3n',
  gemma4_text: 'gemma4',
  llama4_text: 'llama4',
  'modernbert-decoder': 'modernbert_decoder',
  qwen2_vl_text: 'qwen2_vl',
  qwen2_5_vl_text: 'qwen2_5_vl',
  qwen3_5_text: 'qwen3_5',
  qwen3_5_moe_text: 'qwen3_5_moe',
  qwen3_vl_text: 'qwen3_vl',
  chatglm: 'remote code',
  kimi_k2: 'remote code',
}

function base({ bases, base: one = 10000, parameters }: ModelRope): string {
  if (bases) return `${bases.full}, sliding ${bases.sliding}`
  const full = parameters?.['full_attention']
  return full ? '1000000, sliding 10000' : String(one)
}

function turns({ separate, fraction, rotaryDim, fullHead }: ModelRope): string {
  if (separate) return 'a separate part of the head'
  if (rotaryDim) return `${rotaryDim} elements`
  if (fullHead) return 'sliding: all; full: a quarter of the pairs'
  return fraction ? `${100 * fraction} % of the head` : 'the head'
}

function layers({ unrotated, only, bases, fullHead }: ModelRope): string {
  if (only) return `only where \`${only.key}\` is \`${JSON.stringify(only.value)}\``
  if (unrotated === 'listed') return 'those that `no_rope_layers` does not mark 0'
  if (unrotated) return 'sliding layers only'
  return bases || fullHead ? 'two kinds' : 'all'
}

/** Rows of Markdown, by model_type. */
export function modelTable(): string[] {
  return Object.entries(rotaryModels)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, model]) =>
      [
        `\`${name}\``,
        base(model),
        turns(model),
        model.interleaved ? 'interleaved' : 'half',
        layers(model),
        model.parameters && !model.fullHead ? `\`${String(model.parameters['rope_type'])}\`` : '',
        model.scalesScores ? 'yes' : '',
        folders[name] === 'remote code' ? 'remote code' : `\`models/${folders[name] ?? name}\``,
      ].join(' | '),
    )
    .map((row) => `| ${row} |`)
}
