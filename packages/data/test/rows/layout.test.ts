import { describe, expect, it } from 'vitest';
import { isDroppedRow, type PreferenceRow } from '../../src/rows/preference-row.js';
import { detectLayout, readRow, type PreferenceLayout } from '../../src/rows/layout.js';
import { extractPromptText } from '../../src/rows/layout-preference.js';
import { parseDialogue, renderDialogue } from '../../src/rows/dialogue-text.js';
import { inputErrorOf } from './temporary-folder.js';

const user = (content: string): { role: string; content: string } => ({ role: 'user', content });
const assistant = (content: string): { role: string; content: string } => ({ role: 'assistant', content });
const system = (content: string): { role: string; content: string } => ({ role: 'system', content });

function read(layout: PreferenceLayout, value: unknown): PreferenceRow {
  const row = readRow(layout, value, 0);
  if (isDroppedRow(row)) throw new Error(row.detail);
  return row;
}

function reasonOf(layout: PreferenceLayout, value: unknown): string {
  const row = readRow(layout, value, 3);
  if (!isDroppedRow(row)) throw new Error('the row was read');
  expect(row).toMatchObject({ row: 3, reason: 'unreadable' });
  return row.detail;
}

describe('detection by the first row', () => {
  it.each<[PreferenceLayout, object]>([
    ['preference', { prompt: 'a', chosen: 'b', rejected: 'c' }],
    ['preference', { chosen: [user('a'), assistant('b')], rejected: [user('a'), assistant('c')] }],
    ['preference', { chosen: 'a b', rejected: 'a c' }],
    ['preference', { prompt: 'a', instruction: 'x', chosen: null, rejected: 'c' }],
    ['alpaca', { instruction: 'a', input: '', output: 'b', chosen: 'b', rejected: 'c' }],
    ['sharegpt', { conversations: [], chosen: {}, rejected: {} }],
    ['hh-rlhf', { chosen: '\n\nHuman: a\n\nAssistant: b', rejected: '\n\nHuman: a\n\nAssistant: c' }],
  ])('%s', (layout, row) => {
    expect(detectLayout('f', row)).toBe(layout);
  });

  it('names the fields and the layouts where it cannot tell', async () => {
    const error = await inputErrorOf(() => detectLayout('f.jsonl', { question: 'a', answer: 'b' }));
    expect(error.code).toBe('layout-unknown');
    expect(error.details).toMatchObject({ file: 'f.jsonl', row: 0, found: 'fields question, answer' });
    for (const name of ['preference', 'alpaca', 'sharegpt', 'hh-rlhf']) {
      expect(error.details.expected).toContain(name);
    }
  });

  it('does not take inherited names for fields', async () => {
    const row = JSON.parse('{"__proto__": {"chosen": "a", "rejected": "b"}}') as object;
    expect((await inputErrorOf(() => detectLayout('f', row))).code).toBe('layout-unknown');
    const dressed = Object.create({ chosen: 'a', rejected: 'b' }) as object;
    expect((await inputErrorOf(() => detectLayout('f', dressed))).code).toBe('layout-unknown');
  });
});

describe('preference layout, standard', () => {
  it('takes an explicit prompt as it is, and has no conversation form', () => {
    const row = read('preference', { prompt: 'The sky is', chosen: ' blue.', rejected: ' green.' });
    expect(row).toEqual({ row: 0, text: { prompt: 'The sky is', chosen: ' blue.', rejected: ' green.' } });
  });

  it.each([
    ['The sky is blue.', 'The sky is green.', 'The sky is', ' blue.', ' green.'],
    ['abcX', 'abcY', 'abc', 'X', 'Y'],
    // No difference up to the shorter text's end: TRL leaves its last character to the response.
    ['abc', 'abcd', 'ab', 'c', 'cd'],
    ['same', 'same', 'sam', 'e', 'e'],
    // The two emoji share their first UTF-16 half, which belongs to both responses.
    ['go 😀', 'go 😁', 'go ', '😀', '😁'],
  ])('extracts the implicit prompt of %j and %j as TRL does', (chosen, rejected, prompt, c, r) => {
    expect(extractPromptText(chosen, rejected)).toEqual({ prompt, chosen: c, rejected: r });
  });

  it.each([
    [{ chosen: 'xa', rejected: 'ya' }, 'no common prompt'],
    [{ chosen: '', rejected: 'a' }, 'no common prompt'],
    [{ prompt: null, chosen: 'a', rejected: 'b' }, 'prompt is null'],
    [{ prompt: 'a', chosen: null, rejected: 'b' }, 'chosen is null'],
    [{ prompt: 'a', chosen: 'b' }, 'rejected is missing'],
    [{ prompt: 'a', chosen: 'b', rejected: 7 }, 'rejected is 7'],
    [{ prompt: 'a', chosen: 'b', rejected: [assistant('c')] }, 'different kinds'],
    [7, 'the row is 7'],
    [[1], 'the row is [1]'],
  ])('drops %j', (value, detail) => {
    expect(reasonOf('preference', value)).toContain(detail);
  });
});

describe('preference layout, conversational', () => {
  const expected = { prompt: [user('q')], chosen: [assistant('a')], rejected: [assistant('b')] };

  it.each<[string, object]>([
    ['explicit prompt', expected],
    ['implicit prompt', { chosen: [user('q'), assistant('a')], rejected: [user('q'), assistant('b')] }],
    [
      'prompt text beside whole conversations (ultrafeedback_binarized)',
      { prompt: 'q', chosen: [user('q'), assistant('a')], rejected: [user('q'), assistant('b')] },
    ],
    ['prompt text beside answers', { prompt: 'q', chosen: [assistant('a')], rejected: [assistant('b')] }],
    [
      'prompt messages repeated in the answers',
      { prompt: [user('q')], chosen: [user('q'), assistant('a')], rejected: [user('q'), assistant('b')] },
    ],
  ])('%s', (_, value) => {
    const row = read('preference', value);
    expect(row.conversation).toEqual(expected);
    expect(row.text).toEqual({ prompt: '\n\nHuman: q\n\nAssistant:', chosen: ' a', rejected: ' b' });
  });

  it('keeps system turns and earlier turns in the prompt', () => {
    const prompt = [system('s'), user('1'), assistant('2'), user('3')];
    const row = read('preference', {
      chosen: [...prompt, assistant('x')],
      rejected: [...prompt, assistant('y')],
    });
    expect(row.conversation?.prompt).toEqual(prompt);
    expect(row.text?.prompt).toBe('s\n\nHuman: 1\n\nAssistant: 2\n\nHuman: 3\n\nAssistant:');
  });

  it('leaves the last message to equal conversations, so that they are dropped as identical later', () => {
    const whole = [user('q'), assistant('a')];
    expect(read('preference', { chosen: whole, rejected: whole }).conversation?.chosen).toEqual([
      assistant('a'),
    ]);
  });

  it('has no plain text for roles without one', () => {
    const row = read('preference', { ...expected, prompt: [user('q'), { role: 'tool', content: 't' }] });
    expect(row.conversation).toBeDefined();
    expect(row.text).toBeUndefined();
  });

  it.each([
    [{ chosen: [user('p'), assistant('a')], rejected: [user('q'), assistant('b')] }, 'no common prompt'],
    [{ chosen: [], rejected: [] }, 'no common prompt'],
    [{ ...expected, prompt: [] }, 'the prompt has no message'],
    [{ ...expected, prompt: [user('q'), assistant('z')] }, 'ends with a turn of the assistant'],
    [{ ...expected, chosen: [user('a')] }, 'not of the assistant'],
    [{ ...expected, rejected: [] }, 'rejected has no message'],
    [{ ...expected, chosen: [{ role: 'assistant', content: null }] }, 'chosen[0].content is null'],
    [{ ...expected, chosen: [{ content: 'x' }] }, 'chosen[0].role is missing'],
    [{ ...expected, prompt: [null] }, 'prompt[0] is null'],
    [{ ...expected, prompt: 7 }, 'prompt is 7'],
  ])('drops %j', (value, detail) => {
    expect(reasonOf('preference', value)).toContain(detail);
  });
});

describe('alpaca layout', () => {
  it('writes the prompt text with and without input', () => {
    const base = { instruction: 'Do.', output: 'unused', chosen: 'c', rejected: 'r' };
    expect(read('alpaca', { ...base, input: '' }).text).toEqual({
      prompt: '### Instruction:\nDo.\n\n### Response:\n',
      chosen: 'c',
      rejected: 'r',
    });
    const row = read('alpaca', { ...base, input: 'x' });
    expect(row.text?.prompt).toBe('### Instruction:\nDo.\n\n### Input:\nx\n\n### Response:\n');
    expect(row.conversation?.prompt).toEqual([user('Do.\n\nx')]);
  });

  it('puts a system text first', () => {
    const row = read('alpaca', { instruction: 'i', system: 'S', chosen: 'c', rejected: 'r' });
    expect(row.conversation?.prompt).toEqual([system('S'), user('i')]);
    expect(row.text?.prompt).toBe('S\n\n### Instruction:\ni\n\n### Response:\n');
  });

  it.each([
    [{ chosen: 'c', rejected: 'r' }, 'instruction is missing'],
    [{ instruction: 'i', input: 3, chosen: 'c', rejected: 'r' }, 'input is 3'],
    [{ instruction: 'i', history: [['a', 'b']], chosen: 'c', rejected: 'r' }, 'history is not empty'],
  ])('drops %j', (value, detail) => {
    expect(reasonOf('alpaca', value)).toContain(detail);
  });
});

describe('sharegpt layout', () => {
  const turns = [
    { from: 'human', value: '1' },
    { from: 'gpt', value: '2' },
    { from: 'human', value: '3' },
  ];
  const answers = { chosen: { from: 'gpt', value: 'c' }, rejected: { from: 'gpt', value: 'r' } };

  it('translates roles and takes the system field', () => {
    const row = read('sharegpt', { system: 'S', conversations: turns, ...answers });
    expect(row.conversation).toEqual({
      prompt: [system('S'), user('1'), assistant('2'), user('3')],
      chosen: [assistant('c')],
      rejected: [assistant('r')],
    });
  });

  it.each([
    [{ conversations: [{ from: 'narrator', value: 'x' }], ...answers }, 'names no role'],
    [{ conversations: turns.slice(0, 2), ...answers }, 'ends with a turn of the assistant'],
    [{ conversations: turns, ...answers, rejected: { from: 'human', value: 'r' } }, 'not of the assistant'],
    [{ conversations: turns, ...answers, chosen: 'c' }, 'chosen is "c"'],
    [
      { conversations: [{ from: 'system', value: 'T' }, ...turns], system: 'S', ...answers },
      'both the system',
    ],
    [{ conversations: null, ...answers }, 'conversations is null'],
  ])('drops %j', (value, detail) => {
    expect(reasonOf('sharegpt', value)).toContain(detail);
  });
});

describe('hh-rlhf layout', () => {
  it('splits after the last mark, and reads the turns', () => {
    const prompt = '\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:';
    const row = read('hh-rlhf', { chosen: `${prompt} yes`, rejected: `${prompt} no` });
    expect(row.text).toEqual({ prompt, chosen: ' yes', rejected: ' no' });
    expect(row.conversation).toEqual({
      prompt: [user('a'), assistant('b'), user('c')],
      chosen: [assistant('yes')],
      rejected: [assistant('no')],
    });
  });

  it('splits after the last common mark where the dialogues part earlier', () => {
    const row = read('hh-rlhf', {
      chosen: '\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d',
      rejected: '\n\nHuman: a\n\nAssistant: x',
    });
    expect(row.text).toEqual({
      prompt: '\n\nHuman: a\n\nAssistant:',
      chosen: ' b\n\nHuman: c\n\nAssistant: d',
      rejected: ' x',
    });
    expect(row.conversation?.chosen).toEqual([assistant('b'), user('c'), assistant('d')]);
  });

  it('says why a row makes no conversation, and keeps its text', () => {
    const row = read('hh-rlhf', {
      chosen: '\n\nHuman: a\n\nAssistant: b\n\nHuman: c',
      rejected: '\n\nHuman: a\n\nAssistant: x',
    });
    expect(row.conversation).toBeUndefined();
    expect(row.conversationProblem).toContain('chosen begins or ends');
    expect(row.text?.rejected).toBe(' x');
  });

  it('drops rows without a common mark', () => {
    const detail = reasonOf('hh-rlhf', {
      chosen: '\n\nHuman: a\n\nAssistant: b',
      rejected: '\n\nHuman: z\n\nAssistant: b',
    });
    expect(detail).toContain('no common prompt');
  });

  it('renders what it parsed back to the same text', () => {
    const text = 'Be kind.\n\nHuman: a\n\nAssistant: b: c\n\nHuman: d';
    expect(renderDialogue(parseDialogue(text))).toBe(text);
  });
});
