export {
  loadPairTokenizer,
  type PairTokenizer,
  type PairTokenizerOptions,
  type RenderChatOptions,
  type TokenizerFingerprint,
} from './pair-tokenizer.js';
export { ChatTemplate, TemplateRefusal } from './chat-template.js';
export { conversationIds, textPromptIds } from './prompt-ids.js';
export { tokenizePair, tokenizePairs } from './tokenize-pair.js';
export { resolveLimits, type LengthLimits, type ResolvedLimits } from './truncation.js';
export { DropLedger } from './drop-ledger.js';
