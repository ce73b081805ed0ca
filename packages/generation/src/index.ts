export type { Answer, AnswerRequest, ContinueRequest, DecodingOptions, FinishReason } from './answer.js';
export { writeAnswers, type AnswerFileOptions, type AnswerFileResult } from './answer-file.js';
export {
  DEFAULT_MAX_NEW_TOKENS,
  DEFAULT_TOP_K,
  MAX_TEMPERATURE,
  type DecodingSettings,
} from './decoding-settings.js';
export { type EncodedPrompt, type Prompt } from './encoded-prompt.js';
export { readPrompts } from './prompt-file.js';
export { CONTEXT_OF_TEXT, TextStream } from './text-stream.js';
export type { ScoredPrompt } from './prompt-scorer.js';
export { openTextGenerator, TextGenerator, type TextGeneratorOptions } from './text-generator.js';
