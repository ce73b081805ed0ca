/**
 * ShareGPT preference rows: `{conversations: [{from, value}], chosen: {from, value}, rejected: {from, value}}`,
 * optionally a `system` text. Role names: those LLaMA-Factory's documentation lists.
 */
import type { PreferenceRow } from './preference-row.js';
import { checkRoles, optionalSystem, readMessage, readMessages, type MessageKeys } from './conversation.js';
import { withRendering } from './layout-preference.js';
import { ownField, UnreadableRow } from './own-field.js';

const SHAREGPT_KEYS: MessageKeys = {
  role: 'from',
  content: 'value',
  roles: new Map([
    ['human', 'user'],
    ['user', 'user'],
    ['gpt', 'assistant'],
    ['assistant', 'assistant'],
    ['chatgpt', 'assistant'],
    ['system', 'system'],
    ['observation', 'tool'],
    ['tool', 'tool'],
  ]),
};

/** @throws UnreadableRow for missing or wrong-typed fields, unknown roles, roles out of order. */
export function readShareGptLayout(record: Record<string, unknown>, row: number): PreferenceRow {
  const system = optionalSystem(record, 'system');
  const turns = readMessages(ownField(record, 'conversations'), 'conversations', SHAREGPT_KEYS);
  if (system.length > 0 && turns[0]?.role === 'system') {
    throw new UnreadableRow('both the system field and a system turn are given');
  }
  return withRendering(
    row,
    checkRoles({
      prompt: [...system, ...turns],
      chosen: [readMessage(ownField(record, 'chosen'), 'chosen', SHAREGPT_KEYS)],
      rejected: [readMessage(ownField(record, 'rejected'), 'rejected', SHAREGPT_KEYS)],
    }),
  );
}
