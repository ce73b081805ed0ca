/** A reference that one or several servers run, from its addresses to a scorer that was tried. */
import {
  HttpClient,
  InputError,
  TransientFailure,
  allOrProblems,
  canonicalJson,
  retryDelay,
  sendableKey,
  type ProgressListener,
} from '@selective-dpo/foundation';
import type { PairTokenizer, PreferenceSource } from '@selective-dpo/data';
import { refuseTooManyTop, type Reference } from '../reference.js';
import type { ServerScoreOptions } from '../score-options.js';
import type { Scorer } from '../scorer.js';
import { surveyDataset } from './dataset-survey.js';
import { refuseLongerPairs, refuseOtherTokenizer, tryScoring } from './probe-reference.js';
import { Replica } from './replica.js';
import { ReplicaSet } from './replica-set.js';
import type { ScoringProtocol, ServedModel } from './scoring-protocol.js';
import { KEY_HINT, ServerConnection } from './server-connection.js';
import {
  DEFAULT_CONCURRENCY,
  DEFAULT_PATIENCE_MS,
  REAL_TIMING,
  type ServerKind,
  type Timing,
} from './server-options.js';
import { ServerScorer } from './server-scorer.js';
import { SglangProtocol } from './sglang-protocol.js';
import { VllmProtocol } from './vllm-protocol.js';

/** Calls to a server that does not answer, before a pass begins. */
const FIRST_ATTEMPTS = 4;

const PROTOCOLS: Record<ServerKind, new () => ScoringProtocol> = {
  vllm: VllmProtocol,
  sglang: SglangProtocol,
};

/** A server that was asked what it runs: `model` or the failure. */
interface Found {
  connection: ServerConnection;
  model: ServedModel | TransientFailure;
}

/** Milliseconds after which a server that has not answered is spoken of. */
const SILENT_MS = 3000;

/**
 * Asks every server what it runs. Those that do not answer are asked again during the pass, if one answers.
 * @throws InputErrors, InputError `server-url`, `server-key`, `server-unreachable`, `server-cannot-score`, `servers-differ`, ….
 */
export async function servedReference(
  options: ServerScoreOptions,
  source: PreferenceSource,
  tokenizer: PairTokenizer,
  beforeAsking: () => Promise<void>,
): Promise<Reference> {
  const { server, listener, topLogprobs } = options;
  const signal = options.signal ?? new AbortController().signal;
  const timing = { ...REAL_TIMING, ...server.timing };
  const protocol = new PROTOCOLS[server.kind]();
  refuseTooManyTop(topLogprobs, Infinity);
  const client = new HttpClient(sendableKey(server.key, 'server-key', KEY_HINT));
  const connections = server.urls.map((url) => new ServerConnection(url, client));
  await beforeAsking();
  for (const { name, sendsKeyInClear } of connections) {
    if (!sendsKeyInClear) continue;
    const message = `the key goes to ${name} unencrypted: anyone on the way can read it`;
    listener?.({ type: 'notice', code: 'key-in-clear', message });
  }
  const describe = (connection: ServerConnection) =>
    toldOfWaiting(connection, listener, () =>
      firstDescription(connection, protocol, server.servedModel, { timing, signal }),
    );
  const found = await allOrProblems(connections.map(describe));
  const model = commonModel(found);
  const identity = { kind: server.kind, ...model.facts };
  return {
    name: connections.map(({ name }) => name).join(', '),
    model: { servedModel: model.name },
    identity,
    vocabSize: Infinity,
    maxPositionEmbeddings: model.maxLength ?? Infinity,
    openScorer: () =>
      triedScorer(options, { source, tokenizer, protocol, model, identity, found, timing, signal }),
  };
}

interface Opening {
  source: PreferenceSource;
  tokenizer: PairTokenizer;
  protocol: ScoringProtocol;
  model: ServedModel;
  identity: Scorer['identity'];
  found: readonly Found[];
  timing: Timing;
  signal: AbortSignal;
}

/** A scorer that has scored some pairs of the dataset. */
async function triedScorer(options: ServerScoreOptions, opening: Opening): Promise<Scorer> {
  const { server, listener, topLogprobs, dataFile } = options;
  const { protocol, model, identity, found, timing, signal, tokenizer, source } = opening;
  const { concurrency = DEFAULT_CONCURRENCY, patienceMs = DEFAULT_PATIENCE_MS } = server;
  const survey = await surveyDataset(source, tokenizer, options.limits, { listener, signal });
  if (survey !== undefined) refuseLongerPairs(survey, model.maxLength, dataFile);
  const inspect = async (connection: ServerConnection) => {
    const now = await protocol.describe(connection, model.name, signal);
    refuseOtherModel(connection, now, model);
    await refuseOtherTokenizer(connection, model.name, tokenizer, { listener, signal });
  };
  const replicas = found.map(({ connection, model: described }) => {
    const replica = new Replica(connection, concurrency, timing, inspect);
    if (described instanceof TransientFailure) replica.startResting(described);
    return replica;
  });
  const servers = new ReplicaSet(replicas, timing, patienceMs, listener);
  const atOnce = concurrency * replicas.length;
  const scorer = new ServerScorer({
    ...{ identity, protocol, servers, model: model.name, topLogprobs, timing, atOnce, signal },
  });
  if (survey === undefined) return scorer;
  const difference = await tryScoring(scorer, survey, dataFile, signal);
  listener?.({
    type: 'notice',
    code: 'served-reference',
    message:
      `${model.name} on ${found.length === 1 ? 'a server' : `${found.length} servers`} ` +
      `(${Object.values(identity).join(', ')}); one pair scored twice: at most ${difference} nats apart`,
    figures: { difference },
  });
  return scorer;
}

/** A server that says nothing for some seconds is named, so that nobody wonders. */
async function toldOfWaiting<T>(
  { name }: ServerConnection,
  listener: ProgressListener | undefined,
  asking: () => Promise<T>,
): Promise<T> {
  const message = `waiting for ${name} to say which model it runs; Ctrl-C ends the waiting`;
  const late = setTimeout(() => listener?.({ type: 'notice', code: 'server-silent', message }), SILENT_MS);
  try {
    return await asking();
  } finally {
    clearTimeout(late);
  }
}

/** What a server runs; the failure where it does not answer. */
async function firstDescription(
  connection: ServerConnection,
  protocol: ScoringProtocol,
  wanted: string | undefined,
  { timing, signal }: { timing: Timing; signal: AbortSignal },
): Promise<Found> {
  for (let attempt = 0; ; attempt++) {
    try {
      return { connection, model: await protocol.describe(connection, wanted, signal) };
    } catch (error) {
      if (!(error instanceof TransientFailure)) throw error;
      if (attempt + 1 >= FIRST_ATTEMPTS) return { connection, model: error };
      await timing.wait(retryDelay(attempt, error.askedMs, timing.random()), signal);
    }
  }
}

/** @throws InputError `server-unreachable` where none answers, `servers-differ`. */
function commonModel(found: readonly Found[]): ServedModel {
  let common: ServedModel | undefined;
  for (const { connection, model } of found) {
    if (model instanceof TransientFailure) continue;
    if (common !== undefined) refuseOtherModel(connection, model, common, 'servers-differ');
    common ??= model;
  }
  if (common !== undefined) return common;
  throw new InputError('server-unreachable', 'no server answers', {
    file: found.map(({ connection }) => connection.name).join(', '),
    field: '--url',
    found: found.map(({ model }) => (model as TransientFailure).message).join('; '),
    expected: 'a server that runs the reference',
    hint: 'check the address, and wait until the server has loaded its model',
  });
}

/** @throws InputError of the given code. */
function refuseOtherModel(
  connection: ServerConnection,
  found: ServedModel,
  wanted: ServedModel,
  code = 'reference-changed',
): void {
  const [is, was] = [found, wanted].map(({ name, facts }) => canonicalJson({ name, ...facts }));
  if (is === was) return;
  throw new InputError(code, 'the servers do not all run the same model in the same way', {
    file: connection.name,
    found: is!,
    expected: was!,
    hint: 'run one model in one version at every --url, from the beginning of a pass to its end',
  });
}
