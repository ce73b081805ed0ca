/**
 * vLLM's OpenAI-compatible server: `POST /v1/completions` with its own `prompt_logprobs` and `return_token_ids`
 * (vllm/entrypoints/openai/completion/protocol.py). −∞ comes as −9999.
 */
import { InputError, type TokenizedPair } from '@selective-dpo/foundation';
import {
  SIDES,
  checkedLogp,
  fieldOf,
  isRecord,
  refuseOtherCount,
  refuseOtherId,
  refuseShape,
  sequenceOf,
  type AnswerPlace,
} from './answer-checks.js';
import { LikeliestTokens } from './likeliest.js';
import { factOf, type ScoringProtocol, type ServedModel, type SideLogps } from './scoring-protocol.js';
import type { ServerConnection } from './server-connection.js';
import { servedModelOf } from './served-models.js';

export class VllmProtocol implements ScoringProtocol {
  readonly path = '/v1/completions';
  readonly entryBytes = 512;

  async describe(
    connection: ServerConnection,
    wanted: string | undefined,
    signal: AbortSignal,
  ): Promise<ServedModel> {
    const model = await servedModelOf(connection, 'vllm', wanted, signal);
    const version = factOf((await connection.look('/version', signal)).value, 'version');
    return { ...model, facts: version === undefined ? {} : { version } };
  }

  request(pair: TokenizedPair, model: string, topLogprobs: number | undefined): unknown {
    return {
      model,
      prompt: SIDES.map((side) => [...sequenceOf(pair, side)]),
      ...{ max_tokens: 1, temperature: 0, prompt_logprobs: topLogprobs ?? 0 },
      ...{ return_token_ids: true, add_special_tokens: false },
    };
  }

  answersOf(answer: unknown, place: Omit<AnswerPlace, 'side'>): [unknown, unknown] {
    const choices = fieldOf(answer, 'choices');
    const first = { ...place, side: SIDES[0]! };
    if (!Array.isArray(choices)) refuseShape(first, 'choices', choices, 'a list');
    refuseOtherCount(first, 'choices', choices.length, SIDES.length);
    const found = SIDES.map((_, i) => choices.filter((choice) => fieldOf(choice, 'index') === i));
    for (const [i, of] of found.entries()) {
      if (of.length !== 1)
        refuseShape({ ...place, side: SIDES[i]! }, 'choices', of.length, `one of index ${i}`);
    }
    return [found[0]![0], found[1]![0]];
  }

  read(answer: unknown, pair: TokenizedPair, place: AnswerPlace, topLogprobs: number | undefined): SideLogps {
    const sent = sequenceOf(pair, place.side);
    const ids = listOf(answer, 'prompt_token_ids', place);
    const entries = listOf(answer, 'prompt_logprobs', place);
    refuseOtherCount(place, 'token ids', ids.length, sent.length);
    refuseOtherCount(place, 'log-probs', entries.length, sent.length);
    sent.forEach((id, position) => refuseOtherId(place, position, ids[position], id));
    if (entries[0] !== null) refuseShape(place, 'prompt_logprobs[0]', entries[0], 'null');
    const begin = pair.promptIds.length;
    const logps = new Float32Array(sent.length - begin);
    const likeliest = topLogprobs === undefined ? undefined : new LikeliestTokens(logps.length, topLogprobs);
    for (let position = begin; position < sent.length; position++) {
      const entry = entries[position];
      const key = String(sent[position]!);
      if (!isRecord(entry)) throw checkedNull(place, position, entry);
      if (!Object.hasOwn(entry, key))
        refuseOtherId(place, position, Object.keys(entry).join(', '), sent[position]!);
      logps[position - begin] = checkedLogp(place, position, fieldOf(entry[key], 'logprob'));
      likeliest?.set(
        place,
        position - begin,
        position,
        Object.entries(entry).map(([id, listed]) => [Number(id), fieldOf(listed, 'logprob')]),
      );
    }
    return { logps, likeliest };
  }
}

/** Where a place of a response has no log-probs at all: null counts as a number that is none. */
function checkedNull(place: AnswerPlace, position: number, entry: unknown): never {
  checkedLogp(place, position, entry);
  return refuseShape(place, `prompt_logprobs[${position}]`, entry, 'log-probs by token id');
}

/** @throws InputError `server-cannot-score` where the server knows nothing of the field. */
function listOf(answer: unknown, field: string, place: AnswerPlace): unknown[] {
  const value = fieldOf(answer, field);
  if (Array.isArray(value)) return value as unknown[];
  if (value !== undefined && value !== null) refuseShape(place, field, value, 'a list');
  throw new InputError('server-cannot-score', 'the server gives no log-probs of given ids', {
    file: place.server,
    row: place.row,
    field,
    found: 'nothing',
    expected: 'vLLM of version 0.10.2 or newer: other OpenAI-compatible servers score no prompts by ids',
    hint: 'serve the model with vLLM or SGLang, or score on this machine with --model',
  });
}
