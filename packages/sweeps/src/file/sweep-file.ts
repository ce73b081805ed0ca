/** A sweep as its author wrote it: what is the same in all runs, and what differs, each setting with its line. */
import { dirname, isAbsolute, resolve } from 'node:path';
import type { InputError } from '@selective-dpo/foundation';
import { quoteValue, readRegularFile } from '@selective-dpo/foundation';
import { TRAINING_KEYS, type Entry } from '@selective-dpo/trainer';
import { YamlOutline, type OutlinePair } from './yaml-outline.js';

/** A setting with the line it stands in. */
export interface Setting extends Entry {
  value: string | number | boolean;
  line: number;
}

/** What a run is started from besides its training keys. */
export const SOURCE_KEYS = ['policy', 'cache'] as const;
export type SourceKey = (typeof SOURCE_KEYS)[number];

/** A folder of policies or caches, by the name that settings may use for it. */
export interface Source {
  name: string;
  /** As it stands in the file. */
  given: string;
  directory: string;
  line: number;
}

/** The folders of one kind. */
export interface SourceChoice {
  /** Whether the author gave names; else there is one folder at most, and settings name paths. */
  named: boolean;
  sources: Source[];
}

/** Settings that stand together: an item of `list`, or a named run. */
export interface SettingGroup {
  /** Of a named run. */
  name?: string;
  line: number;
  settings: Setting[];
}

export interface SweepFile {
  file: string;
  sources: Record<SourceKey, SourceChoice>;
  base: Setting[];
  /** Values of each key, in the order of the file. */
  grid: { key: string; line: number; settings: Setting[] }[];
  list: SettingGroup[];
  runs: SettingGroup[];
  seeds: Setting[];
}

const MAX_BYTES = 1 << 20;
const MAX_NAME = 100;
const PARTS = [...SOURCE_KEYS, 'base', 'grid', 'list', 'runs', 'seeds'] as const;
type Part = (typeof PARTS)[number];

/**
 * Reads a sweep file. Relative paths are relative to its folder.
 * @param problems what is wrong in it is added here.
 * @throws InputErrors for what is not YAML; InputError `file-not-found`, `file-too-large` above 1 MiB, …
 */
export async function readSweepFile(file: string, problems: InputError[]): Promise<SweepFile> {
  const text = (await readRegularFile(file, MAX_BYTES)).toString('utf8');
  const sweep: SweepFile = {
    file,
    sources: { policy: { named: false, sources: [] }, cache: { named: false, sources: [] } },
    ...{ base: [], grid: [], list: [], runs: [], seeds: [] },
  };
  const yaml = YamlOutline.parse(file, text, problems);
  for (const pair of yaml.pairs(yaml.root, 1, 'sweep')) readPart(yaml, pair, sweep);
  return sweep;
}

/** Where a path of the sweep file leads. */
export function pathFrom(file: string, path: string): string {
  return isAbsolute(path) ? path : resolve(dirname(file), path);
}

function readPart(yaml: YamlOutline, pair: OutlinePair, sweep: SweepFile): void {
  const { name, line, node } = pair;
  switch (name as Part) {
    case 'policy':
    case 'cache':
      sweep.sources[name as SourceKey] = sourcesOf(yaml, pair);
      return;
    case 'base':
      sweep.base = settingsOf(yaml, node, line, name);
      return;
    case 'grid':
      sweep.grid = yaml.pairs(node, line, name).map((key) => ({
        ...{ key: key.name, line: key.line },
        settings: valuesOf(yaml, key.node, key.line, key.name, `grid.${key.name}`),
      }));
      return;
    case 'seeds':
      sweep.seeds = valuesOf(yaml, node, line, 'seed', name);
      return;
    case 'list':
      sweep.list = yaml.items(node, line, name).map((item) => ({
        line: item.line,
        settings: settingsOf(yaml, item.node, item.line, name),
      }));
      return;
    case 'runs':
      sweep.runs = yaml.pairs(node, line, name).map((run) => namedRun(yaml, run));
      return;
    default:
      refuseUnknownPart(yaml, pair);
  }
}

function refuseUnknownPart(yaml: YamlOutline, { name, line }: OutlinePair): void {
  const isTrainingKey = (TRAINING_KEYS as string[]).includes(name);
  yaml.refuse(line, 'sweep-unknown-key', 'unknown key of a sweep', {
    ...{ found: quoteValue(name), expected: `one of ${PARTS.join(', ')}` },
    ...(isTrainingKey ? { hint: 'put it under base, or under grid with a list of values' } : {}),
  });
}

function sourcesOf(yaml: YamlOutline, { name: kind, line, node }: OutlinePair): SourceChoice {
  const named = yaml.isMapping(node);
  const pairs = named ? yaml.pairs(node, line, kind) : [{ name: '', line, node }];
  const sources = pairs.flatMap((pair) => {
    const path = yaml.scalar(pair.node, pair.line, named ? `${kind}.${pair.name}` : kind);
    if (path === undefined) return [];
    const given = String(path);
    return [{ name: pair.name, given, directory: pathFrom(yaml.file, given), line: pair.line }];
  });
  return { named, sources };
}

/** `key: value` lines, at least one. */
function settingsOf(yaml: YamlOutline, node: unknown, line: number, field: string): Setting[] {
  return yaml.pairs(node, line, field).flatMap((pair) => {
    const value = yaml.scalar(pair.node, pair.line, `${field}.${pair.name}`);
    return value === undefined ? [] : [{ key: pair.name, value, file: yaml.file, line: pair.line }];
  });
}

function valuesOf(yaml: YamlOutline, node: unknown, line: number, key: string, field: string): Setting[] {
  const seen = new Set<unknown>();
  return yaml.items(node, line, field).flatMap((item) => {
    const value = yaml.scalar(item.node, item.line, field);
    if (value === undefined) return [];
    if (seen.has(value)) {
      yaml.refuse(item.line, 'sweep-duplicate', 'the value stands here twice', {
        ...{ field, found: quoteValue(value) },
      });
    }
    seen.add(value);
    return [{ key, value, file: yaml.file, line: item.line }];
  });
}

function namedRun(yaml: YamlOutline, { name, line, node }: OutlinePair): SettingGroup {
  if (name === '' || name.length > MAX_NAME) {
    yaml.refuse(line, 'sweep-name', 'a name that cannot be used for a run', {
      ...{ field: 'runs', found: quoteValue(name), expected: `1 to ${MAX_NAME} characters` },
    });
  }
  // A run without settings of its own is the base under a name.
  const settings = yaml.isNothing(node) ? [] : settingsOf(yaml, node, line, `runs.${name}`);
  return { name, line, settings };
}
