// Models whose config.json must not be read as rotary embeddings, although it often looks the same:
// read off transformers 5.17.0 (and, for the last three, off the code that their checkpoints carry).

const without =
  'albert bart bert bert-generation big_bird bigbird_pegasus biogpt blenderbot bloom camembert canine clip clip_text_model convbert ctrl data2vec-text deberta deberta-v2 distilbert electra ernie falcon_mamba flaubert fnet fsmt gpt2 gpt_bigcode gpt_neo jamba kimi_linear layoutlm led longformer longt5 lxmert m2m_100 mamba mamba2 marian mbart megatron-bert mobilebert mpnet mpt mt5 mvp nemotron_h openai-gpt opt pegasus pegasus_x roberta roberta-prelayernorm rwkv siglip speech_to_text splinter squeezebert switch_transformers t5 tapas udop umt5 vit whisper xglm xlm xlm-roberta xlm-roberta-xl xlnet xmod zamba'

/** Why the rotary embedding of a `model_type` cannot be read off its file. */
export const refusedModels: ReadonlyMap<string, string> = new Map([
  ...without.split(' ').map((name) => [name, 'has no rotary embedding'] as const),
  ['cohere2_moe', 'chooses the layers that turn by force_rope and layer_types together'],
  ['deepseek_v4', 'turns two parts of a head, each by a base of its own'],
  ['qwen', 'changes its base with the length (use_dynamic_ntk) and scales queries (use_logn_attn)'],
  ['baichuan', 'turns in its 7B and adds ALiBi in its 13B, which the file does not say'],
])
