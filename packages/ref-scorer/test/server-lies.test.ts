/** Answers that are not what was asked for: each is found, named, and nothing of its shard is stored. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { scoreDataset } from '../src/index.js';
import type { Json, ScoringServer, ServerScript } from './scoring-server.js';
import { problemOf, serve, servedOptions } from './served-reference.js';
import { sampleRows, writeReference, writeRows } from './small-reference.js';

type Spoil = (answer: unknown) => unknown;

let reference: string;
let dataFile: string;
const open: ScoringServer[] = [];

beforeAll(async () => {
  reference = await writeReference();
  dataFile = await writeRows(sampleRows(24));
});
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function start(change: Partial<ServerScript> & Pick<ServerScript, 'kind'>): Promise<ScoringServer> {
  const server = await serve(reference, change);
  open.push(server);
  return server;
}

/** The problem of a pass whose server lies from its 8th scoring request on, and how many shards were published. */
async function lied(kind: ServerScript['kind'], spoil: Spoil) {
  const server = await start({ kind, spoil: (answer, call) => (call < 8 ? answer : spoil(answer)) });
  const wanted = await servedOptions(reference, dataFile, [server]);
  const problem = await problemOf(scoreDataset(wanted));
  const shards = await readdir(join(wanted.outDirectory, 'shards')).catch(() => []);
  return { problem, shards, server };
}

const choices = (answer: unknown) => (answer as { choices: Json[] }).choices;
const ofChoice =
  (change: (choice: Json) => void): Spoil =>
  (answer) => {
    change(choices(answer)[1]!);
    return answer;
  };
const lastEntry = (choice: Json) => (choice['prompt_logprobs'] as Record<string, Json>[]).at(-1)!;
const logpOf = (value: unknown) =>
  ofChoice((choice) => Object.values(lastEntry(choice)).forEach((entry) => (entry['logprob'] = value)));

const VLLM: [string, string, Spoil][] = [
  ['no log-probs', 'server-cannot-score', ofChoice((choice) => delete choice['prompt_logprobs'])],
  ['null log-probs', 'server-cannot-score', ofChoice((choice) => (choice['prompt_logprobs'] = null))],
  [
    'log-probs that are no list',
    'server-answer-invalid',
    ofChoice((choice) => (choice['prompt_logprobs'] = 'x')),
  ],
  ['no ids', 'server-cannot-score', ofChoice((choice) => delete choice['prompt_token_ids'])],
  [
    'an id changed',
    'reference-ids-differ',
    ofChoice((choice) => ((choice['prompt_token_ids'] as number[])[3] = 2)),
  ],
  [
    'an id dropped',
    'reference-ids-differ',
    ofChoice((choice) => (choice['prompt_token_ids'] as number[]).pop()),
  ],
  [
    'an id added',
    'reference-ids-differ',
    ofChoice((choice) => (choice['prompt_token_ids'] as number[]).unshift(0)),
  ],
  [
    'a log-prob dropped',
    'reference-ids-differ',
    ofChoice((choice) => (choice['prompt_logprobs'] as unknown[]).pop()),
  ],
  [
    'an entry of another id',
    'reference-ids-differ',
    ofChoice(
      (choice) =>
        ((choice['prompt_logprobs'] as unknown[])[(choice['prompt_logprobs'] as unknown[]).length - 1] = {
          999: { logprob: -1 },
        }),
    ),
  ],
  [
    'an entry that is null',
    'reference-not-finite',
    ofChoice(
      (choice) =>
        ((choice['prompt_logprobs'] as unknown[])[(choice['prompt_logprobs'] as unknown[]).length - 1] =
          null),
    ),
  ],
  [
    'a number in the first place',
    'server-answer-invalid',
    ofChoice((choice) => ((choice['prompt_logprobs'] as unknown[])[0] = { 1: { logprob: -1 } })),
  ],
  ['null', 'reference-not-finite', logpOf(null)],
  ['a text', 'reference-not-finite', logpOf('-1')],
  ['the floor', 'reference-not-finite', logpOf(-9999)],
  ['less than the floor', 'reference-not-finite', logpOf(-1e30)],
  ['a log-prob above 0', 'reference-not-logprob', logpOf(0.01)],
  [
    'NaN',
    'reference-not-finite',
    (answer) =>
      JSON.stringify(
        ofChoice((choice) => Object.values(lastEntry(choice)).forEach((entry) => (entry['logprob'] = 'N')))(
          answer,
        ),
      ).replace(/"N"/, 'NaN'),
  ],
  ['a choice dropped', 'reference-ids-differ', (answer) => ({ choices: choices(answer).slice(1) })],
  [
    'a choice twice',
    'server-answer-invalid',
    (answer) => ({ choices: [choices(answer)[0], choices(answer)[0]] }),
  ],
  [
    'indexes exchanged',
    'reference-ids-differ',
    (answer) => ({ choices: choices(answer).map((choice, i) => ({ ...choice, index: 1 - i })) }),
  ],
  ['no choices', 'server-answer-invalid', () => ({})],
  ['a list', 'server-answer-invalid', () => []],
  ['gigabytes', 'server-answer-invalid', (answer) => `${JSON.stringify(answer)}${' '.repeat(8 << 20)}`],
  ['text instead of JSON', 'server-fails', () => '<html>'],
  ['JSON nested without end', 'server-fails', () => '['.repeat(100_000)],
];

const metaOf = (answer: unknown) => (answer as { meta_info: Json }[])[1]!.meta_info;
const ofMeta =
  (change: (places: unknown[][], meta: Json) => void): Spoil =>
  (answer) => {
    const meta = metaOf(answer);
    change(meta['input_token_logprobs'] as unknown[][], meta);
    return answer;
  };

const SGLANG: [string, string, Spoil][] = [
  ['no meta_info', 'reference-ids-differ', (answer) => (answer as Json[]).map(() => ({ text: 'x' }))],
  ['no log-probs', 'server-answer-invalid', ofMeta((_, meta) => delete meta['input_token_logprobs'])],
  ['another count of the prompt', 'reference-ids-differ', ofMeta((_, meta) => (meta['prompt_tokens'] = 3))],
  ['an id changed', 'reference-ids-differ', ofMeta((places) => (places[1]![1] = 2))],
  ['an id dropped', 'reference-ids-differ', ofMeta((places) => places.pop())],
  ['an id added', 'reference-ids-differ', ofMeta((places) => places.push([-1, 4, null]))],
  ['places moved by one', 'server-answer-invalid', ofMeta((places) => (places[0]![0] = -1))],
  [
    'an entry that is no list',
    'server-answer-invalid',
    ofMeta((places) => (places[1] = 4 as unknown as unknown[])),
  ],
  ['null', 'reference-not-finite', ofMeta((places) => (places[1]![0] = null))],
  ['the floor', 'reference-not-finite', ofMeta((places) => (places[1]![0] = -9999))],
  ['a log-prob above 0', 'reference-not-logprob', ofMeta((places) => (places[1]![0] = 1))],
  ['answers in another order', 'reference-ids-differ', (answer) => [...(answer as unknown[])].reverse()],
  ['one answer', 'reference-ids-differ', (answer) => (answer as unknown[]).slice(0, 1)],
  ['an object', 'server-answer-invalid', () => ({})],
];

describe.each([
  ['vllm', VLLM],
  ['sglang', SGLANG],
] as const)('an answer of %s', (kind, lies) => {
  it.each(lies)('with %s is found: %s', async (_, code, spoil) => {
    const { problem, shards } = await lied(kind, spoil);
    expect(problem.code).toBe(code);
    if (code !== 'server-answer-invalid' && code !== 'server-fails' && !('row' in problem.details)) {
      // A number that is no JSON cannot be placed: the server is named.
      expect(problem.details.found).toBe('NaN');
    }
    expect(shards.filter((name) => name.endsWith('.json'))).toEqual([]);
  });

  it('that is true passes', async () => {
    const server = await start({
      kind,
      spoil: (answer) => (kind === 'vllm' ? { choices: choices(answer).reverse() } : answer),
    });
    const wanted = await servedOptions(reference, dataFile, [server]);
    expect((await scoreDataset(wanted)).pairs).toBe(24);
  });

  it('that differs from the first by more than 0.05 nats ends the pass', async () => {
    const lower = (answer: unknown): unknown =>
      kind === 'vllm'
        ? ofChoice((choice) =>
            Object.values(lastEntry(choice)).forEach((entry) => ((entry['logprob'] as number) -= 0.06)),
          )(answer)
        : ofMeta((places) => ((places.at(-1)![0] as number) -= 0.06))(answer);
    // An answer to what was asked before is another one.
    const lowerWhen = (asked: string[], answer: unknown) =>
      asked.indexOf(asked.at(-1)!) < asked.length - 1 ? lower(answer) : answer;
    const early = await start({ kind, spoil: (answer, call) => (call === 2 ? lower(answer) : answer) });
    expect((await problemOf(scoreDataset(await servedOptions(reference, dataFile, [early])))).code).toBe(
      'reference-not-stable',
    );
    const late = await start({
      kind,
      spoil: (answer, call) => {
        const asked = late.bodies.slice(0, call).map((body) => JSON.stringify(body));
        return call > 3 && asked.indexOf(asked.at(-1)!) > 2 ? lowerWhen(asked, answer) : answer;
      },
    });
    const wanted = await servedOptions(reference, dataFile, [late]);
    expect((await problemOf(scoreDataset(wanted))).code).toBe('reference-not-stable');
    expect(await readdir(join(wanted.outDirectory, 'shards'))).toEqual([]);
  });
});

describe('names in an error', () => {
  it('are the row, the side, the position and both ids', async () => {
    const { problem, server } = await lied('vllm', VLLM[4]![2]);
    expect(problem.details.file).toBe(server.url);
    expect(problem.details.row).toBeGreaterThanOrEqual(0);
    expect(problem.details.field).toBe('rejected');
    expect(problem.details.found).toBe('2 at position 3');
    expect(problem.details.expected).toMatch(/^\d+, as sent$/);
  });
});

const respond =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (response: ServerResponse) => {
    response.writeHead(status, headers).end(JSON.stringify(body));
    return true;
  };

describe('a server that cannot be the reference', () => {
  it.each<[string, string, NonNullable<ServerScript['instead']>]>([
    [
      'llama.cpp by its header',
      'server-cannot-score',
      (_p, response) => respond(200, { data: [{ id: 'm' }] }, { server: 'llama.cpp' })(response),
    ],
    [
      'llama.cpp by /props',
      'server-cannot-score',
      (path, response) =>
        path === '/props'
          ? respond(200, { default_generation_settings: {} })(response)
          : path === '/v1/models' && respond(200, { data: [{ id: 'm', owned_by: 'llamacpp' }] })(response),
    ],
    [
      'TGI by /info',
      'server-cannot-score',
      (path, response) =>
        path === '/info'
          ? respond(200, { model_id: 'm', router: 'x', docker_label: 'y' })(response)
          : path === '/v1/models' && respond(404, {})(response),
    ],
    [
      'an OpenAI server that ignores prompt_logprobs',
      'server-cannot-score',
      (path, response) =>
        path === '/v1/completions' &&
        respond(200, { choices: [0, 1].map((index) => ({ index, text: 'x' })) })(response),
    ],
    [
      'an OpenAI server that refuses prompt_logprobs',
      'server-cannot-score',
      (path, response) => path === '/v1/completions' && respond(400, { error: 'unknown field' })(response),
    ],
    [
      'a redirect',
      'server-redirects',
      (_p, response) => respond(307, {}, { location: 'http://elsewhere.invalid/' })(response),
    ],
    ['another key', 'server-key', (_p, response) => respond(401, { error: 'no sk-of-the-test' })(response)],
    [
      'an SGLang server',
      'server-other-kind',
      (path, response) =>
        path === '/v1/models' && respond(200, { data: [{ id: 'm', owned_by: 'sglang' }] })(response),
    ],
    [
      'two models',
      'served-model',
      (path, response) =>
        path === '/v1/models' &&
        respond(200, { data: ['a', 'b'].map((id) => ({ id, owned_by: 'vllm' })) })(response),
    ],
    [
      'a model whose name is Markdown',
      'served-model',
      (path, response) =>
        path === '/v1/models' && respond(200, { data: [{ id: '| x |\n', owned_by: 'vllm' }] })(response),
    ],
    ['nothing but 500', 'server-unreachable', (_p, response) => respond(500, {})(response)],
    [
      'other token ids',
      'tokenizers-differ',
      (path, response) => path === '/tokenize' && respond(200, { tokens: [1, 2] })(response),
    ],
  ])('is refused: %s', async (_, code, instead) => {
    const server = await start({ kind: 'vllm', instead });
    const wanted = await servedOptions(reference, dataFile, [server], { server: { key: 'sk-of-the-test' } });
    const problem = await problemOf(scoreDataset(wanted));
    expect(problem.code).toBe(code);
    expect(JSON.stringify(problem.details)).not.toContain('sk-of-the-test');
    expect(await readdir(join(wanted.outDirectory, 'shards')).catch(() => [])).toEqual([]);
  });

  it('has a smaller vocabulary or context than the dataset needs: both are told by their row', async () => {
    const rows = await writeRows([...sampleRows(3), { prompt: 'a', chosen: 'zz', rejected: 'b:' }]);
    const small = await start({ kind: 'vllm', vocabSize: 30 });
    const unknown = await problemOf(scoreDataset(await servedOptions(reference, rows, [small])));
    expect(unknown).toMatchObject({ code: 'token-out-of-range', details: { row: 3 } });
    const short = await start({ kind: 'vllm', maxLength: 12 });
    const long = await problemOf(scoreDataset(await servedOptions(reference, dataFile, [short])));
    expect(long.code).toBe('beyond-context');
    expect(long.details.hint).toContain('--max-length 11');
  });

  it('is chosen from by name', async () => {
    const server = await start({
      kind: 'vllm',
      instead: (path, response) =>
        path === '/v1/models' &&
        respond(200, { data: ['a', 'b'].map((id) => ({ id, owned_by: 'vllm' })) })(response),
    });
    const wanted = await servedOptions(reference, dataFile, [server], { server: { servedModel: 'b' } });
    await scoreDataset(wanted);
    expect(new Set(server.bodies.map((body) => body['model']))).toEqual(new Set(['b']));
  });
});
