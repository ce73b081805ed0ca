/** `GET /v1/models`: which model a server runs, and whether it is a server that can score. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { SERVED_NAME } from '@selective-dpo/data';
import { fieldOf } from './answer-checks.js';
import type { ServerConnection } from './server-connection.js';
import { SERVER_KINDS, type ServerKind } from './server-options.js';

interface ModelCard {
  id: string;
  ownedBy: unknown;
  /** Of an adapter: the model it belongs to. */
  parent: unknown;
  maxLength: number | undefined;
}

/**
 * The model to score with.
 * @throws InputError `server-cannot-score` for servers known not to score given ids; `server-other-kind`; `served-model`
 *   where the name is not there, or has to be chosen.
 */
export async function servedModelOf(
  connection: ServerConnection,
  kind: ServerKind,
  wanted: string | undefined,
  signal: AbortSignal,
): Promise<{ name: string; maxLength: number | undefined }> {
  const { value, server } = await connection.look('/v1/models', signal);
  if (/llama\.cpp/i.test(server)) throw cannotScore(connection, 'llama.cpp’s server', LLAMA_CPP);
  const cards = cardsOf(value);
  const owner = cards.find(({ ownedBy }) => (SERVER_KINDS as readonly unknown[]).includes(ownedBy))?.ownedBy;
  if (owner === undefined) await refuseForeignServer(connection, signal);
  if (owner !== undefined && owner !== kind) throw otherKind(connection, owner as ServerKind, kind);
  return chosenCard(cards, connection, wanted);
}

const LLAMA_CPP = 'it gives log-probs of tokens that it generates, and none of given ids';
const TGI = 'it gives log-probs of a prompt as text only, and none of given ids';

/** llama.cpp is known by `/props` (or its Server header), text-generation-inference by `/info`. */
async function refuseForeignServer(connection: ServerConnection, signal: AbortSignal): Promise<void> {
  for (const path of ['/props', '/health']) {
    const { value, server } = await connection.look(path, signal);
    if (/llama\.cpp/i.test(server) || fieldOf(value, 'default_generation_settings') !== undefined) {
      throw cannotScore(connection, 'llama.cpp’s server', LLAMA_CPP);
    }
  }
  const { value } = await connection.look('/info', signal);
  const isTgi = ['docker_label', 'router', 'max_concurrent_requests'].some(
    (name) => fieldOf(value, name) !== undefined,
  );
  if (isTgi && fieldOf(value, 'model_id') !== undefined) {
    throw cannotScore(connection, 'text-generation-inference', TGI);
  }
}

/** @param why what it cannot do. */
export function cannotScore(connection: ServerConnection, what: string, why: string): InputError {
  return new InputError('server-cannot-score', 'this server cannot be the reference', {
    file: connection.name,
    found: what,
    expected: `vLLM or SGLang: ${why}`,
    hint: 'serve the model with vLLM or SGLang, or score on this machine with --model',
  });
}

function otherKind(connection: ServerConnection, found: ServerKind, asked: ServerKind): InputError {
  return new InputError('server-other-kind', 'the server is of another kind', {
    file: connection.name,
    field: '--scorer',
    found,
    expected: asked,
    hint: `give --scorer ${found}`,
  });
}

function cardsOf(value: unknown): ModelCard[] {
  const data = fieldOf(value, 'data');
  if (!Array.isArray(data)) return [];
  return data.flatMap((card): ModelCard[] => {
    const id = fieldOf(card, 'id');
    if (typeof id !== 'string') return [];
    const length = fieldOf(card, 'max_model_len');
    return [
      {
        ...{ id, ownedBy: fieldOf(card, 'owned_by'), parent: fieldOf(card, 'parent') ?? undefined },
        maxLength: Number.isSafeInteger(length) && (length as number) > 0 ? (length as number) : undefined,
      },
    ];
  });
}

function chosenCard(
  cards: readonly ModelCard[],
  connection: ServerConnection,
  wanted: string | undefined,
): { name: string; maxLength: number | undefined } {
  const whole = cards.filter(({ parent }) => parent === undefined);
  const found = wanted === undefined ? whole : cards.filter(({ id }) => id === wanted);
  const card = found[0];
  if (card === undefined || (wanted === undefined && found.length > 1)) {
    throw new InputError('served-model', 'which model to ask the server for is not clear', {
      file: connection.name,
      field: '--served-model',
      found: cards.length === 0 ? 'no model in /v1/models' : cards.map(({ id }) => quoteValue(id)).join(', '),
      expected: wanted === undefined ? 'one model' : quoteValue(wanted),
      hint: 'choose one of the server’s models with --served-model',
    });
  }
  if (!SERVED_NAME.test(card.id)) {
    throw new InputError('served-model', 'the model’s name cannot be kept in a manifest', {
      file: connection.name,
      found: quoteValue(card.id),
      expected: 'up to 512 letters, digits, blanks and . _ - + : / @',
      hint: 'serve it under another name (--served-model-name)',
    });
  }
  const parent = cards.find(({ id }) => id === card.parent);
  return { name: card.id, maxLength: card.maxLength ?? parent?.maxLength };
}
