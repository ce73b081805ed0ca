/** What the hub's refusals mean to a user. */
import { InputError, describeStatus, type HttpAnswer } from '@selective-dpo/foundation';
import { TOKEN_HINT } from './hub-settings.js';

/** The hub cannot be reached, or has no time, before anything is known: what is in the cache may do. */
export class HubUnreachable extends InputError {}

/** What was asked for, for messages. */
export interface Asked {
  /** As the user gave it. */
  name: string;
  repository: string;
  revision: string;
  endpoint: URL;
  /** Whether a token was sent. */
  withToken: boolean;
  /** A server's words without the token. */
  blotted(text: string): string;
}

/**
 * The problem that an answer with an error's status stands for. The hub says more in the header X-Error-Code; to those
 * without a token it answers 401 for models that are not there, too.
 */
export function refusal({ status, headers, body }: HttpAnswer, asked: Asked): InputError {
  const { name, repository, revision, endpoint, withToken, blotted } = asked;
  const said = headers.get('x-error-message');
  const found =
    said === null ? describeStatus({ status, headers, body }) : `HTTP ${status}: ${blotted(said)}`;
  const code = headers.get('x-error-code');
  const problem = (kind: string, message: string, hint: string) =>
    new InputError(kind, message, { file: name, found, hint });
  if (code === 'GatedRepo') {
    const page = `${endpoint.href.replace(/\/$/, '')}/${repository}`;
    const how = withToken ? 'with the account of your token' : `and ${TOKEN_HINT}`;
    return problem(
      'hub-gated',
      'the model is given to those alone who agree to its terms',
      `agree at ${page} ${how}`,
    );
  }
  if (code === 'RevisionNotFound') {
    const message = `the model has no revision ${JSON.stringify(revision)}`;
    return problem('hub-revision-missing', message, 'give a branch, a tag or a commit behind the @');
  }
  if (code === 'EntryNotFound') {
    return problem(
      'hub-listing',
      'the hub lists a file that it does not have',
      'run the same command again later',
    );
  }
  if (status === 401 && withToken && code !== 'RepoNotFound') {
    return problem('hub-token', 'the hub does not accept the token', TOKEN_HINT);
  }
  if (status === 404 || status === 401) {
    const message = `there is no folder and, at ${endpoint.host}, no model of this name that you may see`;
    const hint = withToken ? 'the token may see too little' : `for a private model, ${TOKEN_HINT}`;
    return problem('hub-model-missing', message, `check the name; ${hint}`);
  }
  if (status === 403) {
    return problem(
      'hub-forbidden',
      'the hub does not give the model to you',
      withToken ? 'the token may read too little' : TOKEN_HINT,
    );
  }
  return problem('hub-refuses', 'the hub refuses the request', 'see that HF_ENDPOINT is a Hugging Face hub');
}

/** Nothing could be asked. @param found why. */
export function unreachable({ name, endpoint }: Asked, found: string): HubUnreachable {
  return new HubUnreachable(
    'hub-unreachable',
    `there is no such folder, and ${endpoint.host} does not answer`,
    {
      file: name,
      found,
      hint: 'check the path, or for a model on the hub the network',
    },
  );
}

/** A download was begun: an older commit in the cache is not what is wanted. @param found why it ended. */
export function brokenOff({ name }: Asked, found: string): InputError {
  return new InputError('hub-broken-off', 'the download breaks off again and again', {
    file: name,
    found,
    hint: 'run the same command again later; what was fetched is kept',
  });
}
