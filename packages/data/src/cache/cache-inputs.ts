/**
 * Every input that determines a cache's values (METHOD.md, trap 5). Two caches with equal inputs are byte-identical;
 * work is only ever continued on equal inputs.
 */
import { InputError, InputErrors, canonicalJson, quoteValue, sha256 } from '@selective-dpo/foundation';
import { z } from 'zod';
import { MAX_TOP_LOGPROBS } from './reference-top.js';

/** Raised with every change of what the files hold. */
export const CACHE_SCHEMA_VERSION = 1;

/** Names of served models that are taken: of repositories and folders, and nothing that Markdown or a terminal reads. */
export const SERVED_NAME = /^[\w./:@+ -]{1,512}$/;

/** Names of repositories that are taken. */
const HUB_NAME = /^[\w.-]{1,96}\/[\w.-]{1,96}$/;

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** A model's name on the hub and what it stood for. */
const originSchema = z.strictObject({
  repository: z.string().regex(HUB_NAME),
  commit: z.string().regex(/^[0-9a-f]{40}$/),
});

export const cacheInputsSchema = z.strictObject({
  schemaVersion: z.literal(CACHE_SCHEMA_VERSION),
  /** Version of selective-dpo that scored. */
  toolVersion: z.string(),
  dataset: z.strictObject({
    sha256: digest,
    bytes: z.int().min(0),
    layout: z.string(),
    limit: z.int().min(1).nullable(),
  }),
  tokenizer: z.strictObject({
    /** SHA-256 of what decides token ids. */
    tokenizer: digest,
    /** SHA-256 of the chat template, or the name of a built-in rendering. */
    chatTemplate: z.string(),
    /** The instant a template that reads the clock was rendered at; null for all others. */
    chatTemplateNow: z.string().nullable(),
    /** Whether the template was given by the user in place of the tokenizer's own. */
    chatTemplateGiven: z.boolean(),
  }),
  limits: z.strictObject({
    maxLength: z.int().min(1),
    maxPromptLength: z.int().min(1).nullable(),
    truncation: z.enum(['keep_start', 'keep_end']),
  }),
  /** Digests of a model's files, or the name under which a server offers a model, or an import names it, whose files are not seen. */
  model: z.union([
    z.strictObject({
      weightsSha256: digest,
      configSha256: digest,
      /** What the model was called on the hub; absent for a folder. It decides no value: the digests do. */
      origin: originSchema.optional(),
    }),
    z.strictObject({ servedModel: z.string().regex(SERVED_NAME) }),
    z.strictObject({ importedModel: z.string().regex(SERVED_NAME) }),
  ]),
  /** Kind, engine, precision, versions, batch size: whatever may change a value's last bits. */
  scorer: z.record(z.string(), z.union([z.string(), z.number()])),
  rowsPerShard: z.int().min(1),
  /** Likeliest tokens kept in the place of each response token; absent where none are: such caches stay what they were. */
  topLogprobs: z.int().min(1).max(MAX_TOP_LOGPROBS).optional(),
});

export type CacheInputs = z.infer<typeof cacheInputsSchema>;

/** The reference for people and model cards: the digest of its weights with its name on the hub, or its name on a server. */
export function describeReference(model: CacheInputs['model']): string {
  if ('servedModel' in model) return `${model.servedModel}, on a server: digest of its weights not known`;
  if ('importedModel' in model)
    return `${model.importedModel}, scored elsewhere: digest of its weights not known`;
  const { weightsSha256, origin } = model;
  return origin === undefined ? weightsSha256 : `${weightsSha256}, ${origin.repository} at ${origin.commit}`;
}

/**
 * The inputs with their keys in one order, so that equal inputs give equal bytes.
 * @throws ZodError for inputs that are not of the schema: a fault of the program that gives them.
 */
export function normalInputs(inputs: CacheInputs): CacheInputs {
  return cacheInputsSchema.parse(JSON.parse(canonicalJson(inputs)));
}

/** Stands for the inputs in what is kept of them: equal for equal values. Where a model came from decides none. */
export function inputsDigest(inputs: CacheInputs): string {
  const { model } = inputs;
  const values = 'weightsSha256' in model ? { ...model, origin: undefined } : model;
  return sha256(canonicalJson({ ...inputs, model: values }));
}

/** Deeper values of a file are compared as a whole: known inputs are two levels deep. */
const MAX_DEPTH = 8;

/** What the parts of the inputs are to a user. */
const PARTS: Record<string, string> = {
  schemaVersion: 'layout of caches',
  toolVersion: 'version of selective-dpo',
  dataset: 'dataset',
  tokenizer: 'tokenizer or chat template',
  limits: 'length limits',
  model: 'reference',
  scorer: 'scorer',
  rowsPerShard: '--rows-per-shard',
  topLogprobs: '--top-logprobs',
};

/**
 * Refuses to mix: names every part of the inputs that differs between a cache that is there and the one that is wanted. A model by
 * its name and the same model in a folder are no difference.
 * @throws InputErrors of code `cache-inputs-differ`, one a part.
 */
export function refuseOtherInputs(
  there: unknown,
  wanted: CacheInputs,
  directory: string,
  hint = 'use another --out, or delete the folder to score anew',
): void {
  const before = decidingValues(there);
  const now = decidingValues(wanted);
  const differing = new Map<string, string[]>();
  for (const key of new Set([...before.keys(), ...now.keys()])) {
    if (canonicalJson(before.get(key)) === canonicalJson(now.get(key))) continue;
    const part = key.split('.')[0]!;
    differing.set(part, [...(differing.get(part) ?? []), key]);
  }
  if (differing.size === 0) return;
  throw new InputErrors(
    Array.from(differing, ([part, keys]) => {
      const name = Object.hasOwn(PARTS, part) ? PARTS[part]! : part;
      return new InputError('cache-inputs-differ', `this folder holds a cache of other inputs: ${name}`, {
        file: directory,
        field: keys.join(', '),
        found: `${described(before, keys)} in the cache`,
        expected: `${described(now, keys)}, as given`,
        hint,
      });
    }),
  );
}

function described(values: Map<string, unknown>, keys: readonly string[]): string {
  return keys.map((key) => (values.has(key) ? quoteValue(values.get(key)) : 'nothing')).join(', ');
}

/** What decides a cache's values, by dotted keys. */
function decidingValues(inputs: unknown): Map<string, unknown> {
  const values = flatten(inputs);
  for (const key of values.keys()) if (key.startsWith('model.origin.')) values.delete(key);
  return values;
}

/** Dotted key of every value that is no object; an empty object is a value. */
function flatten(value: unknown, prefix = '', depth = 0, into = new Map<string, unknown>()) {
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  const entries = isObject ? Object.entries(value) : [];
  if (entries.length === 0 || depth === MAX_DEPTH) into.set(prefix, value);
  for (const [key, inner] of depth === MAX_DEPTH ? [] : entries) {
    flatten(inner, prefix === '' ? key : `${prefix}.${key}`, depth + 1, into);
  }
  return into;
}
