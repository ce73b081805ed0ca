/** A small byte-level BPE tokenizer with ChatML tokens, written into a folder as a model directory. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const CHATML =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** Printable stand-ins of the 256 bytes, as GPT-2's byte-level alphabet orders them. */
function byteAlphabet(): string[] {
  const own = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(own(byte) ? byte : next++));
}

const MERGES = ['t h', 'th e', 'Ġ the', 'a b', 'o o', '. Ġ', 'Ċ Ċ', ': Ġ'];

export function tokenizerJson(): Record<string, unknown> {
  const tokens = [...byteAlphabet(), ...MERGES.map((merge) => merge.replace(' ', ''))];
  const special = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, i) => ({
      ...{ id: tokens.length + i, content, special: true, normalized: false },
      ...{ single_word: false, lstrip: false, rstrip: false },
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, i) => [token, i])), merges: MERGES },
  };
}

/** Writes a model directory; `files` adds or replaces files (objects become JSON, null leaves one out). */
export function writeModel(directory: string, files: Record<string, unknown> = {}): string {
  mkdirSync(directory, { recursive: true });
  const all: Record<string, unknown> = {
    'tokenizer.json': tokenizerJson(),
    'tokenizer_config.json': { eos_token: '<|im_end|>', chat_template: CHATML },
    ...files,
  };
  for (const [name, content] of Object.entries(all)) {
    if (content === null) continue;
    writeFileSync(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return directory;
}
