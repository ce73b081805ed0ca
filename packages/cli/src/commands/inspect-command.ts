import { once } from 'node:events';
import type { Command } from 'commander';
import {
  exportSite,
  inspectedKind,
  openSite,
  sampleSite,
  startSiteServer,
  webPage,
  writeSingleFile,
  type Site,
} from '@selective-dpo/inspector';
import { InputError } from '@selective-dpo/foundation';
import { ENGINE_CHOICES } from '@selective-dpo/model';
import { resolveTrainingConfig, readRun, runOfFolder } from '@selective-dpo/trainer';
import type { CommandContext } from '../command-context.js';
import type { ConsoleWriter } from '../console/console-writer.js';
import { formatBytes, formatCount } from '../console/format.js';
import { ModelLocator, addOfflineOption } from '../model-locator.js';
import { OptionReader } from '../options.js';
import { inspectPair } from './inspect-pair.js';

/** Pairs, unless told otherwise. */
const SAMPLE = 64;

/** `sdpo inspect`: look at a cache, a run or a sweep. */
export function addInspectCommand(program: Command, context: CommandContext): void {
  addOfflineOption(program.command('inspect'))
    .description(
      'look at a cache, a run or a sweep: a page on this machine, one file, or a pair on the terminal',
    )
    .argument('<folder>', 'what sdpo score, sdpo train or sdpo sweep has written')
    .argument(
      '[settings...]',
      'with --pair: key=value, as for sdpo train: selection, keep, spanUnit, seed, engine, …',
    )
    .option(
      '--tokenizer <dir>',
      'folder of the tokenizer, or org/name[@revision], for texts; it is remembered',
    )
    .option('--cache <dir>', 'of a run: the cache it was trained from, for its pairs')
    .option(
      '--policy <dir>',
      'the policy before training, a folder or org/name[@revision]: of a run beside its checkpoints, with --pair for its scores',
    )
    .option('--sample <n>', "pairs that a run's policies are measured on, and pairs in a file (64)")
    .option(
      '--engine <name>',
      `where they are measured: ${ENGINE_CHOICES.join(', ')} (default: the run's own)`,
    )
    .option('--port <n>', 'port of the page; 0 takes a free one', '0')
    .option('--export <dir>', 'write the page and its data as a folder for any static host')
    .option('--html <file>', 'write one self-contained file with a sample of pairs')
    .option('--pair <id>', 'print one pair of a cache: its pair_id, or its place from 0 on')
    .option('--json', 'one JSON object a line')
    .action((folder: string, settings: string[], values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const asked = {
          tokenizerDirectory: options.text('tokenizer'),
          cacheDirectory: options.text('cache'),
          policyDirectory: options.text('policy'),
          engine: options.oneOf('engine', '--engine', ENGINE_CHOICES),
          sample: options.whole('sample', '--sample', 1, 100_000),
        };
        const port = options.whole('port', '--port', 0, 65_535) ?? 0;
        const modes = (['pair', 'export', 'html'] as const).filter(
          (name) => options.text(name) !== undefined,
        );
        for (const name of modes.slice(1)) options.refuse(`--${name}`, `with --${modes[0]!}`, 'one of both');
        if (settings.length > 0 && modes[0] !== 'pair')
          options.refuse('settings', settings[0]!, 'only with --pair');
        options.finish();
        const request = await located(asked, new ModelLocator(values, writer.listen, signal));
        const pair = options.text('pair');
        if (pair !== undefined) {
          const config = await resolveTrainingConfig(undefined, settings);
          return inspectPair({ ...request, cacheDirectory: folder, pair, config }, writer);
        }
        const page = await webPage();
        const site = await openSite(folder, {
          ...{ ...request, listener: writer.listen, signal },
          sample: request.sample ?? SAMPLE,
        });
        tellWhatIsMissing(site, writer);
        const directory = options.text('export');
        const file = options.text('html');
        if (directory !== undefined) {
          const { files } = await exportSite(site, page, directory, { listener: writer.listen, signal });
          writer.result({ directory, files }, [
            `${directory}: ${formatCount(files, 'file')}; open it through any static host`,
          ]);
        } else if (file !== undefined) {
          const small = await sampleSite(site, await cacheOf(folder, request.cacheDirectory), {
            ...{ sample: request.sample ?? SAMPLE, seed: await seedOf(folder) },
            ...{ listener: writer.listen, signal },
          });
          const bytes = await writeSingleFile(small.files, page, file, signal);
          writer.result({ file, bytes }, [`${file}: ${formatBytes(bytes)}; open it in a browser`]);
        } else await serve(site, page, port, writer, signal);
      }),
    );
}

/** A request with folders in place of names on the hub. */
async function located<
  T extends { tokenizerDirectory: string | undefined; policyDirectory: string | undefined },
>(request: T, locator: ModelLocator): Promise<T> {
  const tokenizerDirectory = await locator.tokenizerFolder(request.tokenizerDirectory);
  return {
    ...request,
    tokenizerDirectory,
    policyDirectory: await locator.modelFolder(request.policyDirectory),
  };
}

async function serve(
  site: Site,
  page: Awaited<ReturnType<typeof webPage>>,
  port: number,
  writer: ConsoleWriter,
  signal: AbortSignal,
): Promise<void> {
  const server = await startSiteServer(new Map([...page, ...site.files]), {
    port,
    onFailure: (path, error) =>
      writer.event({ type: 'failure', path, message: messageOf(error) }, `${path}: ${messageOf(error)}`),
  });
  const { kind, title } = site.description;
  writer.event(
    { type: 'listening', url: server.url, kind, title },
    `${server.url}  ${kind} ${title}; Ctrl-C ends it`,
  );
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
  writer.event({ type: 'closed' }, 'closed');
}

function messageOf(error: unknown): string {
  return error instanceof InputError || error instanceof Error ? error.message : String(error);
}

function tellWhatIsMissing({ description: { kind, cache } }: Site, writer: ConsoleWriter): void {
  if (kind === 'run' && cache === undefined) {
    writer.listen({
      ...{ type: 'notice', code: 'without-cache' },
      message: 'without --cache DIR there are the metrics alone, no pairs and no policies',
    });
  } else if (kind !== 'sweep' && cache?.vocabulary === undefined) {
    writer.listen({
      ...{ type: 'notice', code: 'without-tokenizer' },
      message:
        'without --tokenizer DIR (the folder that sdpo score took its tokenizer from) tokens are shown as numbers',
    });
  }
}

/** The cache that a site's pairs are of, if it has any. */
async function cacheOf(folder: string, given: string | undefined): Promise<string | undefined> {
  return (await inspectedKind(folder)) === 'cache' ? folder : given;
}

async function seedOf(folder: string): Promise<number> {
  const run = await runOfFolder(folder);
  return run === undefined ? 0 : (await readRun(run)).config.seed;
}
