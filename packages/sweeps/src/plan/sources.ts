/** The folders a sweep starts from: which policy and cache a run has, and the digests of both. */
import { InputError, kindOf, problemsOf, quoteValue, type ProblemDetails } from '@selective-dpo/foundation';
import { readManifest } from '@selective-dpo/data';
import { openWeights, readModelConfig, weightsDigest } from '@selective-dpo/model';
import {
  SOURCE_KEYS,
  pathFrom,
  type Setting,
  type Source,
  type SourceKey,
  type SweepFile,
} from '../file/sweep-file.js';

const isSourceKey = (key: string): key is SourceKey => (SOURCE_KEYS as readonly string[]).includes(key);

/** Settings of training keys, and those that choose a policy or a cache. */
export function partOfSources(settings: readonly Setting[]): { sources: Setting[]; training: Setting[] } {
  return {
    sources: settings.filter(({ key }) => isSourceKey(key)),
    training: settings.filter(({ key }) => !isSourceKey(key)),
  };
}

/** Finds policies that are no folders, such as models on the hub. */
export interface PolicyLocator {
  /** Whether what stands in the file may be something else than a folder. */
  knows(given: string): boolean;
  /**
   * The folder of such a policy, which may have to be fetched.
   * @param path the folder that it would be otherwise.
   * @throws InputError, InputErrors; Interrupted.
   */
  locate(given: string, path: string): Promise<string>;
}

/** Resolves and checks the policies and caches of one sweep; each folder's digest is computed once. */
export class SweepSources {
  private readonly digests = new Map<string, string>();
  /** Folders of policies that are named otherwise, by the paths that their names would be. */
  private readonly located = new Map<string, string>();

  constructor(
    private readonly sweep: SweepFile,
    private readonly problems: InputError[],
    private readonly locator: PolicyLocator | undefined,
  ) {}

  /** Where several folders have names and no setting chooses among them, every one of them is run. */
  addImpliedAxes(): void {
    const { sweep } = this;
    const groups = [...sweep.list, ...sweep.runs];
    for (const key of SOURCE_KEYS) {
      const { named, sources } = sweep.sources[key];
      const chosen =
        sweep.grid.some((axis) => axis.key === key) ||
        groups.some(({ settings }) => settings.some((setting) => setting.key === key));
      if (!named || chosen || sources.length < 2) continue;
      const settings = sources.map(({ name, line }) => ({ key, value: name, file: sweep.file, line }));
      sweep.grid.push({ key, line: sources[0]!.line, settings });
    }
  }

  /** The folder a setting names, or undefined where a problem was added. */
  chosen({ key, value, line }: Setting): Source | undefined {
    const { named, sources } = this.sweep.sources[key as SourceKey];
    if (!named && typeof value === 'string') {
      return { name: value, given: value, directory: pathFrom(this.sweep.file, value), line };
    }
    const source = sources.find(({ name }) => name === String(value));
    if (source === undefined) {
      this.refuse(line, 'sweep-source', `no ${key} of this name`, {
        found: quoteValue(value),
        expected: named ? `one of ${sources.map(({ name }) => name).join(', ')}` : 'a path',
      });
    }
    return source;
  }

  /** The policy or cache of a run with these settings. */
  of(kind: SourceKey, settings: readonly Setting[], line: number): Source | undefined {
    const setting = settings.findLast(({ key }) => key === kind);
    if (setting !== undefined) return this.chosen(setting);
    const { sources } = this.sweep.sources[kind];
    if (sources.length === 1) return sources[0];
    this.refuse(line, 'sweep-source', `the sweep does not say which ${kind} is meant`, {
      field: kind,
      expected:
        sources.length === 0 ? `${kind}: a folder` : `one of ${sources.map(({ name }) => name).join(', ')}`,
    });
    return undefined;
  }

  /** Notes what is wrong with a folder before anything is read through. A policy that is no folder may be known by its name. */
  async check(kind: SourceKey, source: Source): Promise<void> {
    const { line } = source;
    if (kind === 'policy' && !(await this.locate(source))) return;
    const directory = this.folderOf(source);
    const found = await kindOf(directory);
    if (found !== 'a folder') {
      const given = quoteValue(directory);
      this.refuse(line, 'sweep-source', `there is no such ${kind} folder`, {
        found: found === undefined ? given : `${given}, which is ${found}`,
      });
      return;
    }
    try {
      if (kind === 'cache') await readManifest(directory);
      else {
        await readModelConfig(directory);
        await (await openWeights(directory)).close();
      }
    } catch (error) {
      const problems = problemsOf(error);
      if (problems === undefined) throw error;
      this.problems.push(...problems);
    }
  }

  /** Finds a policy that is no folder; with problems in the file nothing is fetched. Returns whether there is a folder to check. */
  private async locate({ given, directory, line }: Source): Promise<boolean> {
    if (this.locator?.knows(given) !== true || (await kindOf(directory)) !== undefined) return true;
    if (this.problems.length > 0) return false;
    try {
      this.located.set(directory, await this.locator.locate(given, directory));
      return true;
    } catch (error) {
      const problems = problemsOf(error);
      if (problems === undefined) throw error;
      for (const { code, message, details } of problems) {
        this.refuse(line, code, message, { field: given, ...details, file: this.sweep.file });
      }
      return false;
    }
  }

  /** Where a source that was checked lies. */
  folderOf({ directory }: Pick<Source, 'directory'>): string {
    return this.located.get(directory) ?? directory;
  }

  /** SHA-256 of a policy's weights or of a cache's manifest. @throws InputError those of both. */
  async digest(kind: SourceKey, source: Source): Promise<string> {
    const directory = this.folderOf(source);
    const known = this.digests.get(`${kind} ${directory}`);
    if (known !== undefined) return known;
    const digest = kind === 'cache' ? (await readManifest(directory)).digest : await weightsDigest(directory);
    this.digests.set(`${kind} ${directory}`, digest);
    return digest;
  }

  private refuse(line: number, code: string, message: string, details: ProblemDetails): void {
    this.problems.push(new InputError(code, message, { file: this.sweep.file, line, ...details }));
  }
}
