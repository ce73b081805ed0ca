/**
 * SGLang's own `POST /generate`: `meta_info.input_token_logprobs` holds [log-prob, id, text] from the place `logprob_start_len`
 * on, and no log-prob in that place (sglang/srt/managers/io_struct.py, tokenizer_manager.py).
 */
import type { TokenizedPair } from '@selective-dpo/foundation';
import {
  SIDES,
  checkedLogp,
  fieldOf,
  refuseOtherCount,
  refuseOtherId,
  refuseShape,
  sequenceOf,
  type AnswerPlace,
} from './answer-checks.js';
import { LikeliestTokens } from './likeliest.js';
import { factOf, type ScoringProtocol, type ServedModel, type SideLogps } from './scoring-protocol.js';
import { cannotScore, servedModelOf } from './served-models.js';
import type { ServerConnection } from './server-connection.js';

export class SglangProtocol implements ScoringProtocol {
  readonly path = '/generate';
  readonly entryBytes = 512;

  async describe(
    connection: ServerConnection,
    wanted: string | undefined,
    signal: AbortSignal,
  ): Promise<ServedModel> {
    const model = await servedModelOf(connection, 'sglang', wanted, signal);
    const info = await firstOf(connection, ['/model_info', '/get_model_info'], signal);
    if (fieldOf(info, 'is_generation') === false) {
      throw cannotScore(connection, 'a model for embeddings', 'a language model is needed');
    }
    const server = await firstOf(connection, ['/server_info', '/get_server_info'], signal);
    const facts = {
      version: factOf(server, 'version'),
      dtype: factOf(server, 'dtype'),
      quantization: factOf(server, 'quantization'),
      weightVersion: factOf(info, 'weight_version'),
    };
    return {
      ...model,
      facts: Object.fromEntries(
        Object.entries(facts).filter((fact): fact is [string, string] => fact[1] !== undefined),
      ),
    };
  }

  request(pair: TokenizedPair, _model: string, topLogprobs: number | undefined): unknown {
    const start = pair.promptIds.length - 1;
    return {
      input_ids: SIDES.map((side) => [...sequenceOf(pair, side)]),
      sampling_params: { max_new_tokens: 1, temperature: 0 },
      ...{ return_logprob: true, logprob_start_len: SIDES.map(() => start) },
      ...(topLogprobs === undefined ? {} : { top_logprobs_num: topLogprobs }),
    };
  }

  answersOf(answer: unknown, place: Omit<AnswerPlace, 'side'>): [unknown, unknown] {
    const first = { ...place, side: SIDES[0]! };
    if (!Array.isArray(answer)) refuseShape(first, 'the answer', answer, 'a list');
    refuseOtherCount(first, 'answers', answer.length, SIDES.length);
    return [answer[0], answer[1]];
  }

  read(answer: unknown, pair: TokenizedPair, place: AnswerPlace, topLogprobs: number | undefined): SideLogps {
    const sent = sequenceOf(pair, place.side);
    const begin = pair.promptIds.length;
    const meta = fieldOf(answer, 'meta_info');
    refuseOtherCount(place, 'prompt tokens', fieldOf(meta, 'prompt_tokens'), sent.length);
    const entries = placesOf(meta, 'input_token_logprobs', place, sent.length - begin);
    const top =
      topLogprobs === undefined
        ? undefined
        : placesOf(meta, 'input_top_logprobs', place, sent.length - begin);
    const logps = new Float32Array(sent.length - begin);
    const likeliest = topLogprobs === undefined ? undefined : new LikeliestTokens(logps.length, topLogprobs);
    entries.forEach((entry, i) => {
      const position = begin - 1 + i;
      if (!Array.isArray(entry))
        refuseShape(place, `input_token_logprobs[${i}]`, entry, '[log-prob, id, text]');
      refuseOtherId(place, position, entry[1], sent[position]!);
      if (i === 0) {
        if (entry[0] !== null) refuseShape(place, 'input_token_logprobs[0][0]', entry[0], 'null');
        return;
      }
      logps[i - 1] = checkedLogp(place, position, entry[0]);
      likeliest?.set(place, i - 1, position, listedIn(top![i], place, i));
    });
    return { logps, likeliest };
  }
}

/** The last of the prompt and every place of the response. */
function placesOf(meta: unknown, field: string, place: AnswerPlace, tokens: number): unknown[] {
  const value = fieldOf(meta, field);
  if (!Array.isArray(value)) refuseShape(place, `meta_info.${field}`, value, 'a list');
  refuseOtherCount(place, field, value.length, tokens + 1);
  return value as unknown[];
}

function listedIn(value: unknown, place: AnswerPlace, i: number): [number, unknown][] {
  if (!Array.isArray(value)) refuseShape(place, `meta_info.input_top_logprobs[${i}]`, value, 'a list');
  return value.map((entry: unknown) => {
    const [logp, id] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof id !== 'number') {
      refuseShape(place, `meta_info.input_top_logprobs[${i}]`, entry, '[log-prob, id, text]');
    }
    return [id, logp];
  });
}

/** Newer versions have dropped `get_` from the names. */
async function firstOf(
  connection: ServerConnection,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<unknown> {
  for (const path of paths) {
    const { value } = await connection.look(path, signal);
    if (value !== undefined) return value;
  }
  return undefined;
}
