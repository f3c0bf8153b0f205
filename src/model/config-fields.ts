/**
 * What happens to fields of config.json that a family does not read. Checkpoints carry many: records of training and of
 * tools, fields of tasks other than generation, and leftovers of other families. Refusing every unknown name would refuse
 * most real checkpoints; ignoring them would silently compute another model. So, in this order:
 *
 * 1. Fields known to change nothing are ignored: bookkeeping, dropout, initialisation, token ids, generation settings
 *    (read elsewhere), how other engines compute the same thing.
 * 2. Values that switch a feature off are ignored: null, false, 0, "", [] and {}, and factors of 1. Exceptions are
 *    fields whose "off" is unusual (`use_rope: false`).
 * 3. Names that speak of a model's mathematics (`clip_qkv`, `logit_scale`, `rope_local_base_freq`) are an error, and so
 *    is anything about quantised weights.
 * 4. Any other name is ignored.
 *
 * Inside an object that is read (rope_scaling) every unknown name is an error unless rule 1 or 2 spares it.
 */

const HARMLESS_NAMES = new Set([
  // What the file is about.
  ...['architectures', 'model_type', 'dtype', 'torch_dtype', 'auto_map', 'id2label', 'label2id', 'num_labels'],
  ...['problem_type', 'finetuning_task', 'task_specific_params', 'tokenizer_class', 'prefix', 'language', 'license'],
  // How other engines run it.
  ...['use_cache', 'return_dict', 'use_return_dict', 'torchscript', 'tf_legacy_loss', 'use_bfloat16', 'is_decoder'],
  ...['gradient_checkpointing', 'cache_implementation', 'attn_implementation', 'experts_implementation'],
  ...['pretraining_tp', 'chunk_size_feed_forward', 'attention_softmax_in_fp32', 'scale_attention_softmax_in_fp32'],
  ...['reorder_and_upcast_attn', 'use_flash_attn', 'use_flash_attention', 'flash_attn', 'flash_rotary', 'fused_dense'],
  ...['masked_softmax_fusion', 'bias_dropout_fusion', 'use_fused_rms_norm', 'use_fused_mlp', 'use_fused_rope'],
  ...['max_batch_size', 'max_sequence_length', 'pad_key_length', 'pre_allocate_kv_cache', 'validate_runner_input'],
  ...['inference_runner', 'keys_to_ignore_at_inference', 'pruned_heads', 'embd_layer_norm_dropout', 'finetuned'],
  // Generation settings of old checkpoints; generation_config.json and weights/generation-config.ts deal with them.
  ...['max_length', 'min_length', 'max_new_tokens', 'min_new_tokens', 'do_sample', 'early_stopping', 'num_beams'],
  ...['num_beam_groups', 'diversity_penalty', 'temperature', 'top_k', 'top_p', 'min_p', 'typical_p', 'length_penalty'],
  ...[
    'repetition_penalty',
    'no_repeat_ngram_size',
    'encoder_no_repeat_ngram_size',
    'bad_words_ids',
    'exponential_decay_length_penalty',
  ],
  ...[
    'num_return_sequences',
    'remove_invalid_values',
    'suppress_tokens',
    'begin_suppress_tokens',
    'forced_decoder_ids',
  ],
])

const HARMLESS_PATTERN =
  /dropout|pdrop|layerdrop|_drop$|initiali[sz]er|(?:^|_)init_|_token_ids?$|^summary_|^output_|^transformers_|version|^_(?!remove)|aux_loss|jitter|label_smoothing|loss/

/** Rule 1. */
export function isHarmless(name: string): boolean {
  return HARMLESS_NAMES.has(name) || HARMLESS_PATTERN.test(name)
}

const OFF_MATTERS =
  /^(?:use_)?(?:rope|rotary|bias|causal|is_causal|causal_mask|position_embeddings?|layer_?norm|pre_?norm)$/

/** Rule 2. */
export function isInert(name: string, value: unknown): boolean {
  if (value === null) return true
  if (OFF_MATTERS.test(name)) return value === true
  if (value === false || value === 0 || value === '') return true
  if (value === 1) return /scal|multiplier|factor|_tp$|_size$/.test(name)
  if (typeof value !== 'object') return false
  return (Array.isArray(value) ? value : Object.keys(value as object)).length === 0
}

const MATHEMATICAL = new RegExp(
  [
    ...['attn', 'attention', 'rope', 'rotary', 'position', 'alibi', 'relative', 'sliding', 'window', 'causal', 'mask'],
    ...[
      'norm',
      '(?:^|_)eps',
      'bias',
      'scal',
      'multiplier',
      'factor',
      'softcap',
      'clip',
      'cap$',
      'logit',
      'theta',
      'freq',
    ],
    ...['activation', '_act$', 'gelu', 'silu', 'relu', 'gate', 'gating', 'glu', 'mlp', 'ffn', 'feed', 'temperature'],
    ...['expert', 'moe', 'router', 'resid', 'parallel', 'head', 'kv', 'qk', 'query', 'hidden', 'inner', 'intermediate'],
    ...[
      'embed',
      'layer',
      'block',
      '(?:^|_)lora',
      'adapter',
      'quant',
      'mup',
      '(?:^|_)tie',
      'shared',
      '(?:^|_)conv(?:_|$)',
    ],
    ...['ssm', 'mamba', 'hyena', 'recurren', 'cross', 'encoder', 'bidirectional', 'prefix_lm', 'sparse', 'dim$'],
    ...['^[dn]_', 'vision', 'audio', 'image'],
  ].join('|'),
)

/** Rule 3. */
export function mayChangeMathematics(name: string): boolean {
  return MATHEMATICAL.test(name)
}
