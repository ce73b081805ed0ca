/**
 * Every key of a `config.json` that may be there, and what it may say. A key that is not listed might change what the
 * model computes, so it is refused by name: better no log-probs than log-probs of a different model.
 * Sources: the configuration classes of transformers 4 and 5 for Llama, Mistral and Qwen2, and the generation
 * parameters that older versions kept in `config.json`.
 */
import type { JsonValue } from './json-text.js';

/** Keys that are read into a `ModelConfig`; their values are checked where they are read. */
export const USED_KEYS: ReadonlySet<string> = new Set(
  `architectures model_type hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads
   head_dim vocab_size max_position_embeddings rms_norm_eps rope_theta rope_scaling rope_parameters tie_word_embeddings
   attention_bias mlp_bias hidden_act bos_token_id eos_token_id pad_token_id initializer_range sliding_window
   use_sliding_window max_window_layers layer_types`.split(/\s+/),
);

/** Keys that say nothing about the forward pass, whatever their value. */
export const HARMLESS_KEYS: ReadonlySet<string> = new Set(
  [
    // Where the file comes from and how it was stored. The weights themselves say what dtype they have.
    `_name_or_path name_or_path _commit_hash transformers_version torch_dtype dtype tokenizer_class
     transformers.js_config is_llama_config unsloth_fixed unsloth_version model_max_length`,
    // How a program runs the model, not what it computes.
    `use_cache output_attentions output_hidden_states return_dict return_dict_in_generate torchscript use_bfloat16
     tf_legacy_loss is_decoder _attn_implementation _attn_implementation_autoset attn_implementation
     keys_to_ignore_at_inference`,
    // Training only. Dropout is inactive when scoring, and this project trains without it.
    `attention_dropout gradient_checkpointing problem_type finetuning_task task_specific_params id2label label2id
     num_labels`,
    // Defaults for text generation.
    `max_length max_new_tokens min_length min_new_tokens do_sample early_stopping num_beams num_beam_groups
     diversity_penalty temperature top_k top_p typical_p epsilon_cutoff eta_cutoff repetition_penalty length_penalty
     no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences output_scores prefix
     forced_bos_token_id forced_eos_token_id decoder_start_token_id sep_token_id remove_invalid_values
     exponential_decay_length_penalty suppress_tokens begin_suppress_tokens penalty_alpha renormalize_logits`,
  ].flatMap((group) => group.split(/\s+/)),
);

/** What a key may say, and the words for it. */
export interface AllowedValues {
  allowed: (value: JsonValue) => boolean;
  expected: string;
}

const only = (...values: JsonValue[]): AllowedValues => ({
  allowed: (value) => value === null || values.includes(value),
  expected: [...values.map((value) => JSON.stringify(value)), 'null'].join(' or '),
});

const absent: AllowedValues = {
  allowed: (value) => value === null,
  expected: 'null, or the key left out',
};

const empty: AllowedValues = {
  allowed: (value) => value === null || (typeof value === 'object' && Object.keys(value).length === 0),
  expected: 'nothing in it',
};

/** Keys that are harmless only at the value that leaves the computation as it is. */
export const RESTRICTED_KEYS: ReadonlyMap<string, AllowedValues> = new Map([
  ['pretraining_tp', only(1)],
  ['partial_rotary_factor', only(1)],
  ['rope_interleaved', only(false)],
  ['use_mrope', only(false)],
  ['is_encoder_decoder', only(false)],
  ['add_cross_attention', only(false)],
  ['tie_encoder_decoder', only(false)],
  ['chunk_size_feed_forward', only(0)],
  ['cross_attention_hidden_size', absent],
  ['quantization_config', absent],
  ['compression_config', absent],
  ['per_layer_config', empty],
  ['pruned_heads', empty],
  ['attn_logit_softcapping', absent],
  ['final_logit_softcapping', absent],
  ['auto_map', absent],
]);
