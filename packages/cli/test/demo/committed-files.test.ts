/** What is committed in packages/cli/demo is what the repository's scripts make, and is as good as the demo says. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPairTokenizer } from '@selective-dpo/data';
import { sha256 } from '@selective-dpo/foundation';
import { CausalLM, openEngine } from '@selective-dpo/model';
import {
  answerPrompts,
  DEMO_HELD_OUT_FILE,
  DEMO_TRAIN_FILE,
  demoTokenizerFiles,
  demoVocabulary,
  judgeAnswers,
  preferenceRows,
  splitOf,
  parseOrder,
  writeDemoPreferences,
  writeDemoTokenizer,
  type AnswerQuality,
} from '../../src/demo/index.js';

const DEMO = fileURLToPath(new URL('../../demo/', import.meta.url));
const MODELS = ['policy', 'reference'] as const;

describe('the committed files', () => {
  let made: string;

  beforeAll(async () => {
    made = await mkdtemp(join(tmpdir(), 'sdpo-demo-'));
    await writeDemoTokenizer(join(made, 'tokenizer'));
    await writeDemoPreferences(join(made, 'preferences'));
  });
  afterAll(() => rm(made, { recursive: true }));

  it.each(MODELS)('%s: the tokenizer is that of the café', async (name) => {
    for (const file of Object.keys(demoTokenizerFiles())) {
      expect(await readFile(join(DEMO, name, file), 'utf8')).toBe(
        await readFile(join(made, 'tokenizer', file), 'utf8'),
      );
    }
  });

  it.each([DEMO_TRAIN_FILE, DEMO_HELD_OUT_FILE])('%s is what the generator writes', async (file) => {
    const committed = await readFile(join(DEMO, 'preferences', file));
    expect(sha256(committed)).toBe(sha256(await readFile(join(made, 'preferences', file))));
  });

  it('share no order between training and held-out rows', async () => {
    const splits = async (file: string): Promise<Set<string>> => {
      const lines = (await readFile(join(DEMO, 'preferences', file), 'utf8')).trimEnd().split('\n');
      return new Set(lines.map((line) => splitOf(parseOrder(firstMessage(line)))));
    };
    expect([...(await splits(DEMO_TRAIN_FILE))]).toEqual(['train']);
    expect([...(await splits(DEMO_HELD_OUT_FILE))]).toEqual(['held-out']);
  });

  it('take a few megabytes', async () => {
    const names = await readdir(DEMO, { recursive: true });
    const sizes = await Promise.all(names.map(async (name) => stat(join(DEMO, name))));
    const bytes = sizes.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
    expect(bytes).toBeLessThan(6e6);
    expect(bytes).toBeGreaterThan(2e6);
  });
});

describe('the committed models', () => {
  const models = new Map<string, CausalLM>();
  const quality = new Map<string, AnswerQuality>();

  beforeAll(async () => {
    await openEngine('wasm');
    const prompts = [...preferenceRows({ seed: 42, count: 100, split: 'held-out' })].map(
      ({ prompt }) => prompt[0]!.content,
    );
    for (const name of MODELS) {
      const model = await CausalLM.load(join(DEMO, name));
      models.set(name, model);
      const tokenizer = await loadPairTokenizer(join(DEMO, name));
      quality.set(name, judgeAnswers(prompts, await answerPrompts(model, tokenizer, prompts, { seed: 1 })));
    }
  });
  afterAll(() => models.forEach((model) => model.dispose()));

  it('are Llama models of the café’s vocabulary, the reference the larger one', () => {
    const size = (name: string): number => models.get(name)!.parameters.size;
    for (const model of models.values()) {
      expect(model.config).toMatchObject({
        architecture: 'LlamaForCausalLM',
        tieWordEmbeddings: true,
        vocabSize: demoVocabulary().length,
      });
    }
    expect(size('policy')).toBeGreaterThan(200_000);
    expect(size('policy')).toBeLessThan(400_000);
    expect(size('reference')).toBeGreaterThan(1_000_000);
    expect(size('reference')).toBeLessThan(2_000_000);
  });

  it('answer held-out orders as the demo says: the policy often wrong, the reference hardly ever', () => {
    expect(quality.get('policy')!.flawless).toBeGreaterThan(0.3);
    expect(quality.get('policy')!.flawless).toBeLessThan(0.65);
    expect(quality.get('reference')!.flawless).toBeGreaterThan(0.9);
  });

  it('are not judged good whatever they say: answers to other prompts fail', () => {
    const scores = quality.get('reference')!.scores;
    expect(Math.min(...scores)).toBeGreaterThanOrEqual(0);
    const prompts = [
      'Two teas and one scone for table one, please.',
      'One soup plus two bagels to go, please.',
    ];
    const right = [
      'Gladly: two teas and one scone for table one. That makes three items. Thank you!',
      'Certainly, three items to go: one soup and two bagels. See you soon!',
    ];
    expect(judgeAnswers(prompts, right)).toMatchObject({ flawless: 1, meanScore: 1, scores: [1, 1] });
    const exchanged = judgeAnswers(prompts, right.toReversed());
    expect(exchanged.flawless).toBe(0);
    expect(exchanged.faults.get('place')).toBe(1);
    expect(() => judgeAnswers(prompts, right.slice(1))).toThrow(RangeError);
  });
});

function firstMessage(line: string): string {
  return (JSON.parse(line) as { prompt: { content: string }[] }).prompt[0]!.content;
}
