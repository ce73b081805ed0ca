/** What a repository holds at a revision, through the hub's own library. */
import type { HubConnection } from './hub-connection.js';
import { isCommit } from './model-name.js';
import { listingProblem, repositoryFile, type RepositoryFile } from './repository-file.js';

export interface RepositoryListing {
  commit: string;
  /** Files outside of folders, by path. */
  files: ReadonlyMap<string, RepositoryFile>;
}

/** More are in no model's first folder; the listing is held in memory. */
const MAX_ENTRIES = 50_000;
/** Pages of a listing; the hub puts 1,000 entries on one. */
const MAX_PAGES = 100;

/**
 * The commit that a revision stands for now, and the files of its first folder, which is where a model's are.
 * @throws InputError of `HubConnection.fetch`, `hub-listing`, `path-outside-folder`.
 */
export async function listRepository(connection: HubConnection): Promise<RepositoryListing> {
  const { name, repository, revision, endpoint } = connection.asked;
  // Loaded where a model is asked for by name alone.
  const { listFiles, modelInfo } = await import('@huggingface/hub');
  let pages = 0;
  const bounded = (input: string | URL | Request): Promise<Response> => {
    if (++pages > MAX_PAGES) throw listingProblem(name, `more than ${MAX_PAGES} pages`);
    return connection.fetch(input);
  };
  const hub = { hubUrl: endpoint.href.replace(/\/$/, ''), fetch: bounded as typeof fetch };
  try {
    const { sha } = await modelInfo({ ...hub, name: repository, revision, additionalFields: ['sha'] });
    if (typeof sha !== 'string' || !isCommit(sha)) throw listingProblem(name, 'no commit');
    if (isCommit(revision) && sha !== revision) throw listingProblem(name, `another commit, ${sha}`);
    const files = new Map<string, RepositoryFile>();
    let entries = 0;
    for await (const entry of listFiles({
      ...hub,
      repo: { type: 'model', name: repository },
      revision: sha,
    })) {
      if (++entries > MAX_ENTRIES) throw listingProblem(name, `more than ${MAX_ENTRIES} entries`);
      const file = repositoryFile(entry, name);
      if (file === undefined) continue;
      if (files.has(file.path)) throw listingProblem(name, 'a file twice');
      files.set(file.path, file);
    }
    return { commit: sha, files };
  } catch (error) {
    // The library reads answers without a look at their shape.
    if (error instanceof TypeError || error instanceof SyntaxError) throw listingProblem(name, error.message);
    throw error;
  }
}
