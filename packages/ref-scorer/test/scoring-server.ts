/**
 * Servers in vLLM's and SGLang's protocols that compute log-probs with a real model, and fail and lie by a script. A sequence is always
 * computed alone, so that an answer depends on nothing but what was asked.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { SeededRandom, mixSeeds } from '@selective-dpo/foundation';
import type { CausalLM } from '@selective-dpo/model';

export type Json = Record<string, unknown>;

export interface ServerScript {
  kind: 'vllm' | 'sglang';
  model: CausalLM;
  vocabSize: number;
  name?: string;
  version?: string;
  maxLength?: number;
  /** Ids of a text; without it there is no /tokenize. */
  tokenize?: ((text: string) => number[]) | undefined;
  /** Shares of scoring requests, by a seed, that fail or stall. */
  faults?: { seed: number; fail: number; stall: number };
  /** Scoring calls at which the server goes away, and comes back after so many milliseconds. */
  restarts?: { at: number[]; goneMs: number };
  /** Changes an answer before it is sent. @param call 1 for the first scoring request. */
  spoil?: (answer: unknown, call: number) => unknown;
  /** Answers a request in place of the script. Returns whether it did. */
  instead?: (path: string, response: ServerResponse, call: number) => boolean;
}

export interface ScoringServer {
  url: string;
  /** Scoring requests that came in, and faults made of them. */
  calls: number;
  faults: number;
  restarts: number;
  /** Requests at one time, at most. */
  mostAtOnce: number;
  bodies: Json[];
  keys: (string | undefined)[];
  script: ServerScript;
  close(): Promise<void>;
}

const FAILURES = ['500', '503', '429', 'reset', 'cut'] as const;

export async function startScoringServer(script: ServerScript): Promise<ScoringServer> {
  let server: Server;
  let port = 0;
  let atOnce = 0;
  const state: ScoringServer = {
    ...{ url: '', calls: 0, faults: 0, restarts: 0, mostAtOnce: 0, bodies: [], keys: [], script },
    close: () => stop(server),
  };
  const listen = async () => {
    server = createServer((request, response) => {
      atOnce++;
      state.mostAtOnce = Math.max(state.mostAtOnce, atOnce);
      response.on('close', () => atOnce--);
      void answer(state, request, response, restart).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  };
  const restart = async () => {
    state.restarts++;
    await stop(server);
    await pause(script.restarts!.goneMs);
    await listen();
  };
  await listen();
  state.url = `http://127.0.0.1:${port}`;
  return state;
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function answer(
  state: ScoringServer,
  request: IncomingMessage,
  response: ServerResponse,
  restart: () => Promise<void>,
): Promise<void> {
  const { script } = state;
  const path = request.url!;
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = pieces.length === 0 ? {} : (JSON.parse(Buffer.concat(pieces).toString()) as Json);
  state.keys.push(request.headers.authorization);
  const scores = path === (script.kind === 'vllm' ? '/v1/completions' : '/generate');
  const call = scores ? ++state.calls : 0;
  if (script.instead?.(path, response, call) === true) return;
  if (!scores) {
    const value = factsOf(script, path, body);
    if (value === undefined) response.writeHead(404).end('{"detail":"Not Found"}');
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    return;
  }
  state.bodies.push(body);
  if (script.restarts?.at.includes(call) === true) return restart();
  if (script.faults !== undefined && (await fault(state, script.faults, call, response))) return;
  const value = await (script.kind === 'vllm' ? vllmAnswer(script, body) : sglangAnswer(script, body));
  if (typeof value === 'string') {
    response
      .writeHead(400, { 'content-type': 'application/json' })
      .end(JSON.stringify({ error: { message: value } }));
    return;
  }
  const spoilt = script.spoil === undefined ? value : script.spoil(value, call);
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(typeof spoilt === 'string' ? spoilt : JSON.stringify(spoilt));
}

/** Fails or stalls some calls. Returns whether it did. */
async function fault(
  state: ScoringServer,
  { seed, fail, stall }: NonNullable<ServerScript['faults']>,
  call: number,
  response: ServerResponse,
): Promise<boolean> {
  const random = new SeededRandom(mixSeeds(seed, call));
  const chance = random.next();
  if (chance >= fail + stall) return false;
  state.faults++;
  // A stall: nothing is ever said.
  if (chance >= fail) return true;
  const kind = FAILURES[random.below(FAILURES.length)]!;
  if (kind === 'reset') response.destroy();
  else if (kind === 'cut') {
    response.writeHead(200, { 'content-length': '1000' }).write('{"choices": [');
    await pause(2);
    response.destroy();
  } else {
    const asked = kind === '429' ? { 'retry-after': '0' } : {};
    response.writeHead(Number(kind), asked).end('{"error": "busy"}');
  }
  return true;
}

function factsOf(script: ServerScript, path: string, body: Json): unknown {
  const { kind, name = 'tiny/reference', version = '1.2.3', maxLength = 1024, tokenize } = script;
  if (path === '/v1/models') {
    return {
      object: 'list',
      data: [{ id: name, object: 'model', owned_by: kind, parent: null, max_model_len: maxLength }],
    };
  }
  if (path === '/tokenize' && tokenize !== undefined) {
    const tokens = tokenize(body['prompt'] as string);
    return { tokens, count: tokens.length, max_model_len: maxLength };
  }
  if (kind === 'vllm') return path === '/version' ? { version } : undefined;
  if (path === '/model_info') return { model_path: name, is_generation: true, weight_version: 'default' };
  if (path === '/server_info') return { version, dtype: 'float32', quantization: null, api_key: 'secret' };
  return undefined;
}

type Scored = Awaited<ReturnType<typeof computed>>;
/** Tests ask for the same sequences again and again. */
const known = new WeakMap<CausalLM, Map<string, Promise<Scored>>>();

function scored({ model }: ServerScript, ids: number[], top: number): Promise<Scored> {
  const sequences = known.get(model) ?? new Map<string, Promise<Scored>>();
  known.set(model, sequences);
  const key = `${top}:${ids.join(' ')}`;
  const value = sequences.get(key) ?? computed(model, ids, top);
  sequences.set(key, value);
  return value;
}

/** A sequence's log-probs from its second token on, and the likeliest tokens there. */
async function computed(model: CausalLM, ids: number[], top: number) {
  const whole = Int32Array.from(ids);
  const sequence = { prompt: whole.subarray(0, 1), responses: [whole.subarray(1)] };
  if (top === 0) return { logps: (await model.logps([sequence]))[0]![0]!, top: undefined };
  const { logps, top: likeliest } = await model.mostLikely([sequence], top);
  return { logps: logps[0]![0]!, top: likeliest[0]![0]! };
}

async function vllmAnswer(script: ServerScript, body: Json): Promise<unknown> {
  const top = body['prompt_logprobs'] as number;
  const prompts = body['prompt'] as number[][];
  const unknown = prompts.flat().find((id) => id >= script.vocabSize);
  if (unknown !== undefined) return `Token id ${unknown} is out of vocabulary`;
  const choices = [];
  for (const [index, ids] of prompts.entries()) {
    const { logps, top: likeliest } = await scored(script, ids, top);
    const listed = ids.map((id, place) => {
      if (place === 0) return null;
      const entry: Json = { [id]: { logprob: logps[place - 1]!, rank: 1, decoded_token: 'x' } };
      for (let i = 0; i < top; i++) {
        const at = (place - 1) * top + i;
        entry[likeliest!.ids[at]!] ??= { logprob: likeliest!.logps[at]!, rank: i + 1, decoded_token: 'x' };
      }
      return entry;
    });
    choices.push({
      ...{ index, text: 'x', logprobs: null, finish_reason: 'length', token_ids: [1] },
      ...{ prompt_logprobs: listed, prompt_token_ids: ids },
    });
  }
  return { id: 'cmpl-1', object: 'text_completion', model: script.name, choices, usage: {} };
}

async function sglangAnswer(script: ServerScript, body: Json): Promise<unknown> {
  const top = (body['top_logprobs_num'] as number | undefined) ?? 0;
  const sequences = body['input_ids'] as number[][];
  const starts = body['logprob_start_len'] as number[];
  const answers = [];
  for (const [i, ids] of sequences.entries()) {
    const { logps, top: likeliest } = await scored(script, ids, top);
    const places = ids.map((_, place) => place).slice(starts[i]);
    answers.push({
      ...{ text: 'x', output_ids: [1] },
      meta_info: {
        ...{ id: 'a', prompt_tokens: ids.length, completion_tokens: 1, finish_reason: { type: 'length' } },
        input_token_logprobs: places.map((place, at) => [
          at === 0 ? null : logps[place - 1]!,
          ids[place]!,
          null,
        ]),
        input_top_logprobs: places.map((place, at) =>
          at === 0
            ? null
            : Array.from({ length: top }, (_, n) => {
                const from = (place - 1) * top + n;
                return [likeliest!.logps[from]!, likeliest!.ids[from]!, null];
              }),
        ),
      },
    });
  }
  return answers;
}
