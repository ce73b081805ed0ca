/** The runs of a sweep as Nx projects with a target `train`, so that `nx run-many -t train` runs them and caches their folders. */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { InputError, makeFolder, publishDirectory, refuseLinkedFolder } from '@selective-dpo/foundation';
import { commandLine } from './command-lines.js';
import type { SweepPlan } from './plan/plan-sweep.js';
import { placeRuns, type RunPlace } from './pool/run-folders.js';

/** The folder of Nx projects inside a sweep's folder. */
export const TASKS_FOLDER = 'tasks';

/**
 * Writes `tasks/RUN/project.json` for every run, in place of those of an earlier call. Beside each stands `inputs.json` with
 * the digests of the policy and the cache: the command and this file are what the cache of Nx goes by, so the projects have
 * to be written again after a policy or a cache has changed.
 * @param program program and first words of the command line `sdpo`.
 * @returns names of the projects.
 * @throws InputError `no-nx-workspace` where no folder above has an nx.json; `not-a-folder`, `disk-full`, …
 */
export async function writeNxProjects(
  plan: SweepPlan,
  directory: string,
  program: readonly string[],
): Promise<string[]> {
  const out = resolve(directory);
  const workspace = await workspaceOf(out);
  const tasks = join(out, TASKS_FOLDER);
  await refuseLinkedFolder(tasks);
  await makeFolder(directory);
  const prefix = relative(workspace, out);
  const projects = (await placeRuns(out, plan.runs)).map((place) => ({
    name: `${prefix}/${place.run.folder}`.replace(/[^\w.-]/g, '_'),
    place,
  }));
  await publishDirectory(tasks, async (temporary) => {
    for (const { name, place } of projects) {
      const folder = join(temporary, place.run.folder);
      await mkdir(folder);
      const json = (file: string, value: object) =>
        writeFile(join(folder, file), `${JSON.stringify(value, null, 2)}\n`);
      await json('project.json', projectOf(name, place, workspace, program));
      await json('inputs.json', place.run.made);
    }
  });
  return projects.map(({ name }) => name);
}

/** The folder above that holds an nx.json. */
async function workspaceOf(directory: string): Promise<string> {
  for (let at = directory; ; at = dirname(at)) {
    if ((await stat(join(at, 'nx.json')).catch(() => undefined))?.isFile() === true) return at;
    if (at === dirname(at)) break;
  }
  throw new InputError('no-nx-workspace', 'the folder is in no Nx workspace', {
    ...{ file: directory, expected: 'nx.json in a folder above it' },
    hint: 'choose another --out, or let sdpo sweep run the sweep by itself',
  });
}

function projectOf(name: string, place: RunPlace, workspace: string, program: readonly string[]): object {
  const output = relative(workspace, place.directory).split(sep).join('/');
  return {
    name,
    targets: {
      train: {
        command: commandLine(place, program),
        inputs: ['{projectRoot}/inputs.json'],
        outputs: [`{workspaceRoot}/${output}`],
        cache: true,
      },
    },
  };
}
