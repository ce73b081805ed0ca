export type { Answer, AnswerRequest, DecodingOptions, FinishReason } from './answer.js';
export { openTextGenerator, TextGenerator, type TextGeneratorOptions } from './text-generator.js';
